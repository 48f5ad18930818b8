"""Delete audio whose retention and grace periods are over, and record it in a ledger."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Annotated

from prefect import flow
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from flows.progress import Progress
from flows.run_names import with_mode
from policy.sweep import SweepRules, runaway
from reports.sweep import due_of_live, plan_number, plan_summary
from schema.clock import utc_now
from schema.errors.deletion import SweepIncomplete, SweepNotApproved
from schema.errors.storage import StorageError
from schema.facts.deletion import SweepPlan, SweepReport
from schema.visible import visible
from schema.written_text import NOT_BLANK, written
from tasks.runtime.app_objects import mend_app_objects
from tasks.runtime.clocks import check_clocks
from tasks.runtime.pauses import end_pause
from tasks.sweep.planning import check_bucket, plan_sweep
from tasks.sweep.sweep_retention import (
    SweepCursor,
    publish_plan,
    publish_report,
    raise_alarm,
    set_missing_expiries,
    set_unreadable_aside,
    settle_broken_runs,
    sole_sweep,
    sweep_chunk,
)

APPROVAL_HOURS = 8  # from 03:00 UTC into office hours, and over before the next sweep
MAX_CHUNKS = 500  # task runs
MIN_PAGES_PER_CHUNK = 10


class SweepApproval(RunInput):
    """Approval of a sweep that would delete more than allowed."""

    plan: str = Field(description="Number of the plan shown above; the approval covers only it")
    approved_by: Annotated[str, AfterValidator(written)] = Field(
        description="Your name, for the log",
        min_length=1,
        json_schema_extra={"pattern": NOT_BLANK},
    )


@flow(name="sweep-retention", flow_run_name=with_mode("sweep", "dry_run"))
def sweep_retention(
    dry_run: bool = True,
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100,
    grace_days: Annotated[int, Field(ge=0, le=365)] = 7,
    soft_delete: bool = True,
    max_objects: Annotated[int | None, Field(ge=0)] = None,
    max_share_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
) -> SweepReport:
    """Delete audio whose retention and grace periods are over, and orphaned objects.

    Safe to stop at any time and to run again: the next sweep completes or withdraws what an
    interrupted one had started. Only one real sweep runs at a time; a second one exits immediately.

    Args:
        dry_run: Only show what would be deleted, and alert nobody. Off: delete permanently.
        page_size: Recordings deleted together.
        grace_days: Days to keep audio after its retention period has ended.
        soft_delete: Keep the key and metadata on the message as an audit trail. Off: clear them.
        max_objects: Ask for approval before deleting more objects than this. Empty: no limit.
        max_share_percent: Ask for approval before deleting more than this percentage of all
            objects.

    Returns:
        What was deleted and what was kept; `broken` holds the reason if the sweep ended early: the
        bucket was unavailable, or the database refused several rows.

    Raises:
        AppObjectsLost: If our indexes or trigger were dropped and this login cannot recreate them.
        ClockSkew: If this machine's clock is off; nothing is deleted.
        WrongBucket: If the bucket's marker is missing; nothing is deleted.
        UnprovenBucket: If recordings are missing from the bucket; nothing is deleted.
        SweepNotApproved: If too much is due and nobody approved it; nothing is deleted.
        SweepIncomplete: If overdue audio remains or the sweep ended early; everything else is done.
    """
    logger = get_run_logger()
    started_at = utc_now()
    rules = SweepRules(started_at, timedelta(days=grace_days), soft_delete)
    with nullcontext(enter_result=True) if dry_run else sole_sweep() as alone:
        if not alone:
            logger.info("Another sweep is running; this run ends without doing anything.")
            return SweepReport()
        check_clocks(started_at)
        mend_app_objects()
        plan = plan_sweep(rules)
        logger.info(due_of_live(plan))
        publish_plan(plan)
        try:
            check_bucket(plan, rules)
        except StorageError:
            if not dry_run:
                raise_alarm(plan)  # nothing is deleted, so audio may become overdue
            raise
        if dry_run:
            return SweepReport(kept=plan.kept)
        reason = runaway(plan, max_objects=max_objects, max_share_percent=max_share_percent)
        waited = timedelta()
        if reason is not None:
            raise_alarm(plan)
            asked_at = utc_now()
            _ask_for_approval(plan, reason)
            waited = utc_now() - asked_at
            if plan_sweep(rules).digest != plan.digest:
                raise SweepNotApproved(reason, "the plan changed while waiting for approval")
        withdrawn = settle_broken_runs(rules)
        report = _sweep(plan, rules, page_size)
        left = plan_sweep(rules)
        # Last, so that these recordings are neither deleted nor reported as overdue by this run.
        report += SweepReport(expiries_set=set_missing_expiries())
        took = utc_now() - started_at
        publish_report(report, left=left, withdrawn=withdrawn, took=took, waited=waited)
        raise_alarm(left)
    if report.broken or report.failed or left.overdue:
        raise SweepIncomplete(report.failed.total(), left.overdue, report.broken)
    return report


def _ask_for_approval(plan: SweepPlan, reason: str) -> None:
    """Pause until the plan is approved in the Prefect UI.

    Raises:
        SweepNotApproved: If the approval times out, or is for another plan.
    """
    get_run_logger().warning("Waiting %d h for approval: %s", APPROVAL_HOURS, reason)
    form = SweepApproval.with_initial_data(
        description=f"**{reason}**\n\n{plan_summary(plan)}\n"
        f"To delete all this, enter the plan's number `{plan_number(plan)}` and your name."
    )
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=APPROVAL_HOURS * 3600)
    except FlowPauseTimeout:
        end_pause()
        raise SweepNotApproved(reason, f"nobody answered for {APPROVAL_HOURS} hours") from None
    if answer.plan.strip() != plan_number(plan):
        raise SweepNotApproved(reason, "the answer named another plan")
    approved_by = visible(answer.approved_by)
    get_run_logger().warning("Plan %s approved by %s", plan_number(plan), approved_by)


def _sweep(plan: SweepPlan, rules: SweepRules, page_size: int) -> SweepReport:
    """Sweep chunk by chunk until nothing is due; never more than planned."""
    pages = max(MIN_PAGES_PER_CHUNK, -(-plan.objects // (page_size * MAX_CHUNKS)))
    progress = Progress()
    report, cursor = set_unreadable_aside(), SweepCursor(allowance=plan.objects)
    while not (cursor.ended or report.broken):
        done, cursor = sweep_chunk(cursor, rules, page_size=page_size, pages=pages)
        report += done
        progress.report_with_time_left(
            100 * report.objects / max(plan.objects, 1),
            f"{report.objects:,} of {plan.objects:,} deleted",
        )
    return report
