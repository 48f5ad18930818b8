"""Undo a backfill: restore the analyses that it overwrote."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from flows.run_names import with_mode
from schema.wording import counted
from schema.written_text import written
from tasks.backfill.release import require_backfill
from tasks.backfill.undo_backfill import count_undoable, publish_undo, put_back


@flow(name="undo-backfill", flow_run_name=with_mode("undo-backfill-{backfill_id}", "dry_run"))
def undo_backfill(
    backfill_id: Annotated[int, Field(ge=1)],
    reason: Annotated[str, Field(min_length=3, max_length=200), AfterValidator(written)],
    dry_run: bool = True,
) -> int:
    """Restore the analyses and message scores that a backfill overwrote.

    Analyses written by others since then are kept, and the rest of the backfill is cancelled. Safe
    to stop at any time and to run again.

    Args:
        backfill_id: Number of the backfill, from its artifact or log.
        reason: Reason, for the record.
        dry_run: Only count what would be restored; nothing is undone. Off: restore it.

    Returns:
        Number of messages restored, or to be restored.

    Raises:
        BackfillUnknown: If there is no backfill of this number.
        BackfillClosed: If it was released, so that the previous analyses are gone.
    """
    require_backfill(backfill_id)
    standing, changed = count_undoable(backfill_id)
    undone = None if dry_run else put_back(backfill_id, reason)
    publish_undo(backfill_id, standing=standing, changed=changed, undone=undone)
    count = standing if undone is None else undone
    messages = counted(count, "message")
    if dry_run:
        get_run_logger().warning(
            "Dry run: nothing was undone. %s would be restored; to restore them, run this flow"
            " again with dry_run off",
            messages,
        )
    else:
        get_run_logger().info("%s restored", messages)
    return count
