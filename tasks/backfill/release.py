"""Release a backfill: discard what it overwrote. Needs no Prefect, so the command starts fast."""

from schema.errors.backfill import BackfillClosed, BackfillUnknown
from schema.facts.backfill import Backfill
from stores.backfill import backfills, undo
from tasks.resources.database import in_transaction


def require_backfill(backfill_id: int) -> Backfill:
    """Return a backfill that may be undone.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
        BackfillClosed: If it was released.
    """
    found = in_transaction(backfills.get, backfill_id)
    if found is None:
        raise BackfillUnknown(backfill_id)
    if found.released:
        raise BackfillClosed(backfill_id, "was released: what it overwrote is no longer kept")
    return found


def require_releasable(backfill_id: int) -> None:
    """Check that a backfill may be released.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
        BackfillClosed: If it was released before, has not ended, or was undone.
    """
    found = require_backfill(backfill_id)
    if found.undone:
        raise BackfillClosed(backfill_id, "was undone: nothing is left to release")
    if not found.ended:
        raise BackfillClosed(backfill_id, "has not ended")


def release(backfill_id: int) -> int:
    """Delete the copies of what a backfill overwrote; return the number of messages.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
        BackfillClosed: If it was released before, has not ended, or was undone.
    """
    require_releasable(backfill_id)
    released = in_transaction(undo.release, backfill_id)
    if released is None:  # undone in the meantime
        raise BackfillClosed(backfill_id, "has not ended, or was undone")
    return released
