"""Conversion to UTC, where every day has 24 hours."""

from datetime import UTC, datetime, timedelta

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def is_readable(moment: datetime) -> bool:
    """Return whether a stored time is real: infinite ones are read as the first or last."""
    return FIRST < moment < LAST


def fits_utc(moment: datetime) -> bool:
    """Return whether a time lies in the years 1 to 9999 in UTC, too.

    Raises:
        ValueError: If `moment` is naive.
    """
    try:
        to_utc(moment)
    except OverflowError:
        return False
    return True


def later(moment: datetime, period: timedelta) -> datetime:
    """Return `moment + period` in UTC, at most the last datetime."""
    start = to_utc(moment)
    return start + period if period < LAST - start else LAST


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
