"""The values that rules of data quality compare rows with: policy and the bucket's address."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from policy.configuration import DEFAULT_POLICY
from policy.leases import UNLEASED_AGE
from policy.quality import (
    DOCUMENT_TOLERANCE_MS,
    PCM_TOLERANCE_MS,
    RETENTION_TOLERANCE_SECONDS,
    STALE_LEASE_SECONDS,
    URL_EXPIRY_TOLERANCE_SECONDS,
)
from policy.retention import subscription_days
from schema.facts.quality import RuleFacts
from schema.states import UserTier
from tasks.resources import storage


def rule_facts(as_of: datetime) -> RuleFacts:
    """Return the values that rules compare rows with at this time (UTC)."""
    return RuleFacts(
        as_of=as_of,
        url_prefixes=url_prefixes(storage.bucket().name, storage.objects_address()),
        key_prefix=DEFAULT_POLICY.key_prefix,
        system_days=DEFAULT_POLICY.retention_days.of(UserTier.SYSTEM),
        guest_days=DEFAULT_POLICY.retention_days.of(UserTier.GUEST),
        subscription_days=subscription_days(),
        retention_tolerance=timedelta(seconds=RETENTION_TOLERANCE_SECONDS),
        url_expiry_tolerance=timedelta(seconds=URL_EXPIRY_TOLERANCE_SECONDS),
        stale_lease=timedelta(seconds=STALE_LEASE_SECONDS),
        unleased_age=UNLEASED_AGE,
        document_tolerance_ms=DOCUMENT_TOLERANCE_MS,
        pcm_tolerance_ms=PCM_TOLERANCE_MS,
    )


def url_prefixes(bucket: str, address: str) -> tuple[str, ...]:
    """Return the valid beginnings of URLs of a bucket's objects.

    The app's client may choose another addressing style than ours.

    Args:
        bucket: Name of the bucket.
        address: The part before the key in the URLs that we sign.

    Returns:
        `address`, and its equivalent in the other style: bucket name in the host or in the path.
    """
    url = urlsplit(address)
    if url.netloc.startswith(f"{bucket}."):
        host = url.netloc.removeprefix(f"{bucket}.")
        return address, f"{url.scheme}://{host}/{bucket}/"
    return address, f"{url.scheme}://{bucket}.{url.netloc}/"
