"""Formatting of sizes, money and names from the database in artifacts, charts and the demo."""

import math
from dataclasses import dataclass
from datetime import timedelta

from policy.costs import BYTES_PER_GB
from schema.visible import visible

_MAX_NAME_CHARACTERS = 40
_MOST_DECIMALS = 6
_HARMLESS = frozenset(" .,_+-/()>")


@dataclass(frozen=True, slots=True)
class ByteUnit:
    """A unit of bytes; a power of 1024, like the app's GB."""

    name: str
    size_bytes: int


_UNITS = (ByteUnit("GB", BYTES_PER_GB), ByteUnit("MB", 1024**2), ByteUnit("kB", 1024))


def byte_unit(largest_bytes: float) -> ByteUnit:
    """Return the largest unit that is not larger than `largest_bytes`."""
    return next((unit for unit in _UNITS if largest_bytes >= unit.size_bytes), _UNITS[-1])


def amount(size_bytes: float) -> str:
    """Return a size with three significant digits and its unit."""
    if not size_bytes:
        return "0 bytes"
    unit = byte_unit(abs(size_bytes))
    count = size_bytes / unit.size_bytes
    decimals = 2 if abs(count) < 10 else 1 if abs(count) < 100 else 0
    return f"{count:,.{decimals}f} {unit.name}"


def duration(minutes: float) -> str:
    """Return a duration in hours, or in minutes below one hour."""
    return f"{minutes / 60:,.1f} hours" if minutes >= 60 else f"{minutes:,.1f} minutes"


def wait_for_approval(waited: timedelta) -> str:
    """Return how long a run waited for approval, to follow how long it worked."""
    if waited < timedelta(seconds=1):
        return ""
    return f", and waited {duration(waited.total_seconds() / 60)} for approval"


def dollars(usd: float, decimals: int = 2) -> str:
    """Return an amount of money; small amounts with two significant digits."""
    if 0 < abs(usd) < 10.0**-decimals:
        decimals = max(decimals, min(1 - math.floor(math.log10(abs(usd))), _MOST_DECIMALS))
    smallest = 10.0**-decimals
    if 0 < abs(usd) < smallest:
        return f"under ${smallest:.{decimals}f}"
    return f"{'-' if usd < 0 else ''}${abs(usd):,.{decimals}f}"


def plain(name: str) -> str:
    """Return a name from the database without characters special to Markdown, HTML or terminals.

    Escaping would not work in both of Prefect's UIs: one interprets Markdown and HTML in table
    cells, the other does not. Exported files hold the name unchanged.
    """
    # Some letters have no shape of their own; `visible` knows them.
    shown = "".join(
        c if c in _HARMLESS or (c.isalnum() and visible(c) == c) else "·" for c in name.strip()
    )
    if len(shown) > _MAX_NAME_CHARACTERS:
        shown = f"{shown[: _MAX_NAME_CHARACTERS - 1]}…"
    return shown or "·"
