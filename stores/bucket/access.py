"""Location of a bucket and the credentials for it."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from pydantic import SecretStr

DEFAULT_REGION = "us-east-1"  # AWS's first; also the usual default of other S3 servers

_TIGRIS = (".tigris.dev", ".storage.dev")


def address_refusal(address: str, *, tls: bool) -> str | None:
    """Return why the bucket must not be asked at an IP address, or None if it may.

    Decided for the address that a name resolves to, so no change of a name gets around it.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # without the zone
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_link_local or ip.is_multicast:
        return "its address is link-local, as that of a cloud's metadata service"
    if ip.is_global and not tls:
        return "its address is public, so TIGRIS_ENDPOINT must begin with https://"
    return None


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
    ca_file: Path | None = None  # PEM; None: the usual authorities

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

    def objects_address(self) -> str:
        """Return the URL prefix of the bucket's objects, as boto3 builds it."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            config=Config(
                signature_version=UNSIGNED,
                s3={"addressing_style": self.addressing_style},
                ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # newer than the stubs
            ),
        )
        url = client.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": "-"})
        return url.removesuffix("-")

    @property
    def _host(self) -> str | None:
        return urlsplit(self.endpoint).hostname if self.endpoint else None
