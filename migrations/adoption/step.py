"""A step of an adoption: one change of the app's tables."""

from dataclasses import dataclass

A_MOMENT = "for a moment"
LONGEST_LOCK_SECONDS = 60.0  # of `messages`; if rewriting takes longer, shadow columns are used


@dataclass(frozen=True, slots=True)
class Step:
    """One change, in one transaction unless it is concurrent or in batches."""

    what: str
    locks: str  # what it blocks, and for how long
    statements: tuple[str, ...]
    table: str = "messages"  # the table that it locks
    concurrently: bool = False
    # One transaction per batch; the last statement processes rows after `:after`, returns the last.
    in_batches: bool = False
    notes: tuple[str, ...] = ()  # recorded for a rollback
    forgets: tuple[str, ...] = ()  # notes that it deletes


def exclusive(table: str, how_long: str = A_MOMENT) -> str:
    """Describe a lock that blocks reads and writes."""
    return f"{table} against reads and writes {how_long}"
