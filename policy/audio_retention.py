"""The helper functions of the app's documentation, under its names, for callers outside a flow.

They take plain strings as tiers, and the current time where none is given. Flows and tasks use the
functions of `policy.retention`, `policy.signed_urls` and `policy.costs`, which take `as_of`.
"""

from datetime import datetime

from policy import retention, signed_urls
from policy.costs import storage_cost_usd
from schema.clock import utc_now


def get_retention_period_days(tier: str) -> int:
    """Return the retention period of a tier in days.

    Raises:
        ValueError: If there is no such tier.
    """
    return retention.retention_period_days(tier)


def calculate_audio_retention_expiry(tier: str, created_at: datetime | None = None) -> datetime:
    """Return when audio created at `created_at`, by default now, expires, in UTC.

    Raises:
        ValueError: If there is no such tier, or the time is naive.
    """
    return retention.retention_expiry(tier, created_at or utc_now())


def calculate_signed_url_expiry(created_at: datetime | None = None) -> datetime:
    """Return when a URL signed at `created_at`, by default now, expires, in UTC.

    Raises:
        ValueError: If the time is naive.
    """
    return signed_urls.signed_url_expiry(created_at or utc_now())


def needs_signed_url_refresh(expires_at: datetime | None) -> bool:
    """Decide whether a URL is missing, or expires within the lead time from now."""
    return signed_urls.needs_signed_url_refresh(expires_at, as_of=utc_now())


def should_delete_audio(retention_expires_at: datetime | None) -> bool:
    """Decide whether audio is due for deletion now: its retention and grace periods are over."""
    return retention.should_delete_audio(retention_expires_at, as_of=utc_now())


def estimate_storage_cost(total_size_bytes: int, retention_days: float) -> float:
    """Return the cost of keeping so many bytes for so many days, in US dollars."""
    return storage_cost_usd(total_size_bytes, retention_days)
