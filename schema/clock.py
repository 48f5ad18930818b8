"""The only place that reads the clock."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)
