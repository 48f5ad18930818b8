"""Conversion to UTC, where every day has 24 hours."""

from datetime import UTC, datetime


def to_utc(moment: datetime) -> datetime:
    """Return the same time in UTC, so that adding days adds 24 hours each.

    Adding a `timedelta` in a zone with daylight saving would add wall-clock days.

    Raises:
        ValueError: If `moment` is naive.
    """
    if moment.utcoffset() is None:
        msg = f"{moment.isoformat()} has no time zone. Pass an aware datetime, preferably in UTC."
        raise ValueError(msg)
    return moment.astimezone(UTC)
