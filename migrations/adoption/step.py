"""One change of the app's tables."""

from dataclasses import dataclass

A_MOMENT = "for a moment"


@dataclass(frozen=True, slots=True)
class Step:
    """One change; in one transaction, unless it builds or drops an index, or goes by batches."""

    what: str
    locks: str  # what else has to wait, and for how long
    statements: tuple[str, ...]
    table: str = "messages"  # whose lock it may wait for
    concurrently: bool = False
    # A transaction for each batch; the last statement takes rows after `:after`, returns the last.
    in_batches: bool = False
    notes: tuple[str, ...] = ()  # for undoing
    forgets: tuple[str, ...] = ()  # notes that are undone


def exclusive(table: str, how_long: str = A_MOMENT) -> str:
    """Return what a lock keeps waiting that readers wait for, too."""
    return f"{table} against reads and writes {how_long}"
