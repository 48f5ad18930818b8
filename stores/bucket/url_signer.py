"""Signed URLs: AWS Signature Version 4 in the query, byte for byte as boto3 creates them.

boto3 signs only about 6,000 URLs a second, too few for millions a day, and its debug log shows what
it signs, although a URL is a secret (docs/adr/0050).
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from schema.errors.storage import CredentialExpiryUnknown, CredentialsExpired
from stores.bucket.access import BucketAccess

MAX_EXPIRY_SECONDS = 604_800  # SigV4's limit; not every server enforces it

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_needs_no_quoting = re.compile(r"[A-Za-z0-9/._~-]*").fullmatch


@dataclass(frozen=True, slots=True)
class DatedSigner:
    """Signs URLs at one fixed time; everything that does not depend on the key is precomputed."""

    signed_at: datetime  # UTC, whole seconds, as in the signatures
    _address: str
    _path: str
    _query_until_expiry: str = field(repr=False)
    _query_after_expiry: str = field(repr=False)
    _canonical_after_expiry: str = field(repr=False)
    _text_until_digest: str = field(repr=False)
    _day_key: bytes = field(repr=False)

    def sign(self, key: str, expires_in_seconds: int) -> str:
        """Return a URL for reading the object, valid until `signed_at + expires_in_seconds`.

        Raises:
            ValueError: If the lifetime is not between one second and seven days.
        """
        if not 1 <= expires_in_seconds <= MAX_EXPIRY_SECONDS:
            message = (
                f"expires_in_seconds must be between 1 and {MAX_EXPIRY_SECONDS}, "
                f"not {expires_in_seconds}."
            )
            raise ValueError(message)
        name = key if _needs_no_quoting(key) else quote(key, safe="/-._~")
        query = f"{self._query_until_expiry}{expires_in_seconds}"
        request = f"GET\n{self._path}{name}\n{query}{self._canonical_after_expiry}"
        text = self._text_until_digest + hashlib.sha256(request.encode()).hexdigest()
        signature = hmac.digest(self._day_key, text.encode(), "sha256").hex()
        return f"{self._address}{name}?{query}{self._query_after_expiry}{signature}"


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Signs URLs of one bucket's objects; thread-safe."""

    access: BucketAccess
    address: str  # URL prefix of the objects; the key follows

    def dated(self, moment: datetime) -> DatedSigner:
        """Return a signer that signs at `moment`, truncated to the second.

        Raises:
            CredentialsExpired: If the credentials expire less than a second after `moment`.
        """
        end = self.access.credentials_expire_at
        if end is not None and end < moment + timedelta(seconds=1):
            raise CredentialsExpired(end)
        signed_at = moment.astimezone(UTC).replace(microsecond=0)
        timestamp = f"{signed_at:%Y%m%dT%H%M%SZ}"
        scope = f"{timestamp[:8]}/{self.access.signing_region}/s3/aws4_request"
        credential = _quoted(f"{self.access.access_key_id.get_secret_value()}/{scope}")
        token = ""
        if (session_token := self.access.session_token) is not None:
            token = f"&X-Amz-Security-Token={_quoted(session_token.get_secret_value())}"
        url = urlsplit(self.address)
        return DatedSigner(
            signed_at=signed_at,
            _address=self.address,
            _path=url.path,
            _query_until_expiry=(
                f"X-Amz-Algorithm={_ALGORITHM}&X-Amz-Credential={credential}"
                f"&X-Amz-Date={timestamp}&X-Amz-Expires="
            ),
            # The canonical query is sorted by name; in URLs, boto3 puts the token last.
            _query_after_expiry=f"&X-Amz-SignedHeaders=host{token}&X-Amz-Signature=",
            _canonical_after_expiry=(
                f"{token}&X-Amz-SignedHeaders=host\nhost:{_host(self.address)}\n\nhost\n"
                "UNSIGNED-PAYLOAD"
            ),
            _text_until_digest=f"{_ALGORITHM}\n{timestamp}\n{scope}\n",
            _day_key=self._day_key(scope),
        )

    def _day_key(self, scope: str) -> bytes:
        """Derive SigV4's signing key for one day, region and service."""
        key = b"AWS4" + self.access.secret_access_key.get_secret_value().encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def open_signer(access: BucketAccess) -> UrlSigner:
    """Return a signer for the bucket that `open_bucket` would open; it makes no requests.

    Raises:
        CredentialExpiryUnknown: If the credentials are temporary and their expiry is unknown.
    """
    if access.session_token is not None and access.credentials_expire_at is None:
        raise CredentialExpiryUnknown
    return UrlSigner(access, access.objects_address())


def _quoted(text: str) -> str:
    return quote(text, safe="-._~")


def _host(address: str) -> str:
    """Return the Host header as a client sends it: lower case, no default port."""
    url = urlsplit(address)
    host = url.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if url.port in {None, _DEFAULT_PORTS.get(url.scheme)}:
        return host
    return f"{host}:{url.port}"
