"""What rules of data quality compare rows with: policy, and where our bucket is."""

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
    """Return what rules compare rows with at this instant (UTC)."""
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
    """Return how URLs of a bucket's objects may begin: the app's client may choose otherwise.

    Args:
        bucket: Its name.
        address: What stands before the key in the URLs that we sign.

    Returns:
        That, and the same place with the bucket's name in the path instead of the host, or the
        other way round.
    """
    url = urlsplit(address)
    if url.netloc.startswith(f"{bucket}."):
        host = url.netloc.removeprefix(f"{bucket}.")
        return address, f"{url.scheme}://{host}/{bucket}/"
    return address, f"{url.scheme}://{bucket}.{url.netloc}/"
