"""A person's approval of a backfill whose first sample changed much."""

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

from schema.errors.backfill import BackfillNotApproved
from tasks.sweep.sweep_retention import end_pause

APPROVAL_HOURS = 72  # over a weekend


class BackfillApproval(RunInput):
    """The form in the Prefect UI by which a person approves the rest of a backfill."""

    backfill: int = Field(
        description="The backfill's number as shown above; approves just this one"
    )
    approved_by: str = Field(description="Your name, for the log", min_length=1)


def wait_for_approval(backfill_id: int, objection: str) -> str:
    """Wait in the Prefect UI until a person approves the rest of a backfill; return their name.

    A run of a deployment is suspended: its process ends, and starts again from the top after the
    answer. Any other run could not be started again, and pauses in its process.

    Args:
        backfill_id: Number of the backfill.
        objection: Why the rest needs approval.

    Raises:
        BackfillNotApproved: If nobody answers, or the answer names another backfill.
    """
    form = BackfillApproval.with_initial_data(
        description=f"**Backfill {backfill_id}: {objection}.**\n\nLook at the artifacts "
        f"`backfill-analysis-canary` and `backfill-analysis-charts`. To analyse the rest, enter "
        f"the number {backfill_id} and your name; else cancel this run, and undo the sample."
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
    if answer.backfill != backfill_id:
        raise BackfillNotApproved(backfill_id, objection, "the answer named another backfill")
    return answer.approved_by
