"""Tasks of `flows/undo_backfill.py`."""

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from reports.backfill import undo_summary
from schema.errors.backfill import BackfillClosed
from schema.wording import counted
from stores.backfill import undo
from tasks.resources.database import in_transaction

ITEMS_AT_ONCE = 500


@task(cache_policy=NO_CACHE)
def count_undoable(backfill_id: int) -> tuple[int, int]:
    """Count the analyses that a backfill wrote: those unchanged, and those overwritten since."""
    return in_transaction(undo.count, backfill_id)


@task(cache_policy=NO_CACHE)
def put_back(backfill_id: int, reason: str) -> int:
    """Restore everything that a backfill overwrote; return the number of messages.

    Raises:
        BackfillClosed: If it was released.
    """
    begun = in_transaction(undo.begin, backfill_id, reason=reason)
    if not begun:
        raise BackfillClosed(backfill_id, "was released: what it overwrote is no longer kept")
    undone, last = 0, 0
    while page := _page_after(backfill_id, last):
        undone += _undo(page)
        last = page[-1]
    return undone


def _page_after(backfill_id: int, after_id: int) -> list[int]:
    return in_transaction(undo.page, backfill_id, after_id=after_id, limit=ITEMS_AT_ONCE)


def _undo(item_ids: list[int]) -> int:
    return in_transaction(undo.undo, item_ids)


@task(cache_policy=NO_CACHE)
def publish_undo(backfill_id: int, *, standing: int, changed: int, undone: int | None) -> None:
    """Publish the result of undoing, or of a dry run, as the artifact `undo-backfill`.

    Args:
        backfill_id: Number of the backfill.
        standing: Analyses that are still as the backfill wrote them.
        changed: Analyses overwritten since by something else.
        undone: Messages restored; None: a dry run.
    """
    if undone is None:
        done = f"Dry run, nothing was undone. Would be restored: {counted(standing, 'message')}"
    else:
        done = f"Restored: {counted(undone, 'message')}"
    create_markdown_artifact(
        undo_summary(backfill_id, standing=standing, changed=changed, undone=undone),
        key="undo-backfill",
        description=f"{done} of backfill {backfill_id}",
    )
