"""Approval of a backfill whose first sample changed too much."""

from typing import Annotated

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import AfterValidator, Field

from schema.errors.backfill import BackfillNotApproved
from schema.written_text import NOT_BLANK, written
from tasks.runtime.pauses import end_pause

APPROVAL_HOURS = 72  # over a weekend


class BackfillApproval(RunInput):
    """The form in the Prefect UI for approving the rest of a backfill."""

    backfill_id: int = Field(
        description="The backfill_id shown above; only this backfill is approved"
    )
    approved_by: Annotated[str, AfterValidator(written)] = Field(
        description="Your name, for the log",
        min_length=1,
        json_schema_extra={"pattern": NOT_BLANK},
    )


def wait_for_approval(backfill_id: int, objection: str) -> str:
    """Wait until someone approves the rest of a backfill in the Prefect UI; return their name.

    A deployment's run is suspended: its process exits, and the run starts from the top after the
    answer. Other runs could not be restarted, so they pause in their process.

    Args:
        backfill_id: Number of the backfill.
        objection: Why the rest needs approval.

    Raises:
        BackfillNotApproved: If the approval times out, or is for another backfill.
    """
    form = BackfillApproval.with_initial_data(
        description=f"**Backfill {backfill_id}: {objection}.**\n\nSee the artifacts "
        f"`backfill-analysis-canary` and `backfill-analysis-charts`. To analyse the rest, enter "
        f"backfill_id {backfill_id} and your name. Otherwise cancel this run and undo the sample."
    )
    try:
        if deployment.id:
            answer = suspend_flow_run(wait_for_input=form, timeout=APPROVAL_HOURS * 3600)
        else:
            answer = pause_flow_run(wait_for_input=form, timeout=APPROVAL_HOURS * 3600)
    except FlowPauseTimeout:
        end_pause()
        waited = f"nobody answered for {APPROVAL_HOURS} hours"
        raise BackfillNotApproved(backfill_id, objection, waited) from None
    if answer.backfill_id != backfill_id:
        raise BackfillNotApproved(backfill_id, objection, "the answer named another backfill")
    return answer.approved_by
