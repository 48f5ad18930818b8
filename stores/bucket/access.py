"""Location of a bucket and the credentials for it."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from pydantic import SecretStr

DEFAULT_REGION = "us-east-1"  # AWS's first; also the usual default of other S3 servers

_TIGRIS = (".tigris.dev", ".storage.dev")


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """A bucket, its server and the credentials for it; its repr shows no secret."""

    name: str
    endpoint: str | None  # URL of the S3 server; None for AWS itself
    region: str  # "auto" lets the server choose; see `signing_region`
    access_key_id: SecretStr
    secret_access_key: SecretStr
    session_token: SecretStr | None = None  # temporary credentials only
    credentials_expire_at: datetime | None = None  # with them, their signed URLs expire

    @property
    def signing_region(self) -> str:
        """The region used in signatures: only Tigris accepts "auto"."""
        if self.region != "auto" or (self._host or "").endswith(_TIGRIS):
            return self.region
        return DEFAULT_REGION

    @property
    def addressing_style(self) -> Literal["virtual", "path"]:
        """Virtual-hosted for AWS and Tigris; path style elsewhere, as it needs no wildcard DNS."""
        if self._host is None or self._host.endswith((".amazonaws.com", *_TIGRIS)):
            return "virtual"
        return "path"

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine."""
        try:
            return ipaddress.ip_address(self._host or "").is_loopback
        except ValueError:
            return self._host == "localhost"

    def objects_address(self) -> str:
        """Return the URL prefix of the bucket's objects, as boto3 builds it."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            config=Config(
                signature_version=UNSIGNED, s3={"addressing_style": self.addressing_style}
            ),
        )
        url = client.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": "-"})
        return url.removesuffix("-")

    @property
    def _host(self) -> str | None:
        return urlsplit(self.endpoint).hostname if self.endpoint else None
