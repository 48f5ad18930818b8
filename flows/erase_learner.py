"""Erase a learner's recordings, URLs, analyses and history; keep a tombstone."""

from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from flows.run_names import with_mode
from schema.clock import utc_now
from schema.errors.deletion import ErasureIncomplete
from schema.facts.deletion import ErasureReport
from schema.wording import counted
from schema.written_text import written
from tasks.erasure.erase_learner import (
    begin_erasure,
    erase_leftovers,
    erase_messages,
    plan_erasure,
    publish_plan,
    publish_receipt,
    verify_erasure,
)
from tasks.runtime.clocks import check_clocks

# The server checks a field's pattern, not its format: so the form refuses a mistyped id.
UUID_PATTERN = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"


# Without the learner's id: run names appear in alerts and events.
@flow(name="erase-learner", flow_run_name=with_mode("erase-learner", "dry_run"))
def erase_learner(
    user_id: Annotated[UUID, Field(json_schema_extra={"pattern": UUID_PATTERN})],
    reason: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(written)],
    dry_run: bool = True,
) -> ErasureReport:
    """Erase a learner's recordings, in all versions, and everything derived from them.

    Safe to stop and to run again, even for a learner erased before: it then erases what was added
    since. A tombstone remains, so that nothing of theirs is analysed again.

    Args:
        user_id: The learner's id in the app's table users.
        reason: Reason, such as the request's number. Do not enter a name.
        dry_run: Only count what would be erased. Off: erase permanently.

    Returns:
        What was found, or erased by this run.

    Raises:
        ClockSkew: If this machine's clock is off.
        ErasureIncomplete: If something could not be erased; everything else is.
        LearnerHeld: If a legal hold covers any of the learner's recordings.
        LearnerUnknown: If there is no data of this learner.
    """
    started_at = utc_now()
    check_clocks(started_at)
    found = plan_erasure(user_id, as_of=started_at)
    if dry_run:
        publish_plan(found)
        return found

    receipt = begin_erasure(user_id, reason)
    erased = erase_messages(user_id) + erase_leftovers(user_id)
    left = verify_erasure(user_id)
    publish_receipt(receipt, erased, left, started_at=started_at, ended_at=utc_now())
    get_run_logger().info(
        "Receipt %s: %s erased, %d left",
        receipt,
        counted(erased.objects, "object"),
        left.objects,
    )
    if not left.is_empty:
        raise ErasureIncomplete(left.messages, left.objects, left.refused)
    return erased
