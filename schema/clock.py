"""The one reader of the clock."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return this instant, aware and in UTC."""
    return datetime.now(UTC)
