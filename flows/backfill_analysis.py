"""History, analysed again: selected and frozen, tried on a sample, then all of it."""

import math
import time
from contextlib import suppress
from typing import Annotated, Any, cast
from uuid import UUID

from httpx import HTTPError
from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.flows import Flow
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from pydantic import AwareDatetime, Field

from flows.run_names import with_mode
from flows.work_on_backfill import MAX_CHUNKS, work
from policy.backfill import APPROVED_BY_POLICY, normalised
from policy.costs import PriceBookName
from policy.leases import LEASE_DURATION
from schema.clock import utc_now
from schema.errors.analysis import AnalysesBroken
from schema.errors.backfill import (
    BackfillIncomplete,
    BackfillNotApproved,
    BackfillStalled,
    BackfillStopped,
)
from schema.facts.backfill import Backfill, BackfillProgress, BackfillRequest
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection
from tasks.backfill.backfill_analysis import (
    approve,
    compare_sample,
    freeze_backfill,
    plan_backfill,
    publish_plan,
    report_backfill,
    stop_backfills,
    take_over,
)
from tasks.backfill.children import has_ended, start_child
from tasks.backfill.queue import count_open, is_stopped
from tasks.runtime.chunk_runner import ChunkTaskRunner
from tasks.runtime.clocks import check_clocks
from tasks.sweep.sweep_retention import end_pause

APPROVAL_HOURS = 72  # over a weekend
POLL_SECONDS = 10.0
STUCK_SECONDS = 2 * LEASE_DURATION.total_seconds()
STARTED_IN_VAIN = 3  # children of one place, without anything being done


class BackfillApproval(RunInput):
    """Approval of a first sample whose scores changed more than allowed."""

    backfill: int = Field(
        description="Number of the backfill shown above; the approval covers only it"
    )
    approved_by: str = Field(description="Your name, for the log", min_length=1)


def stop_when_cancelled(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Let the children of a cancelled run claim nothing more."""
    stop_backfills(flow_run.id)


def _run_name() -> str:
    resumed = flow_run.parameters["resume"]
    name = "backfill-{selection}" if resumed is None else "resume-backfill-{resume}"
    return with_mode(name, "dry_run")()


@flow(
    name="backfill-analysis",
    flow_run_name=_run_name,
    task_runner=ChunkTaskRunner(),  # type: ignore[arg-type]  # Prefect types it for coroutines
    on_cancellation=[stop_when_cancelled],
)
def backfill_analysis(
    reason: Annotated[str, Field(min_length=3, max_length=200)],
    dry_run: bool = True,
    selection: BackfillSelection = BackfillSelection.OUTDATED,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    languages: list[str] | None = None,
    conversation_ids: list[str] | None = None,
    engine: AnalysisEngine = AnalysisEngine.KAIWA,
    newest_first: bool = True,
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 1,
    chunk_size: Annotated[int, Field(ge=1, le=500)] = 100,
    limit: Annotated[int | None, Field(ge=1)] = None,
    canary_size: Annotated[int, Field(ge=0, le=10_000)] = 200,
    max_mean_shift: Annotated[float, Field(ge=0, le=100)] = 5.0,
    fail_above_percent: Annotated[float, Field(ge=0, le=100)] = 10.0,
    price_book: PriceBookName = PriceBookName.KAIWA,
    resume: Annotated[int | None, Field(ge=1)] = None,
) -> BackfillProgress:
    """Re-analyse stored recordings, starting with a sample that shows what changes.

    Safe to stop at any time: started again with the same arguments, or with `resume`, it continues.
    New recordings take precedence. Overwritten analyses are kept until `undo-backfill` restores
    them or `kaiwa-audio backfill release` discards them.

    Args:
        reason: Why this backfill is needed, for the record. A different reason starts a new
            backfill.
        dry_run: Only count and estimate. With resume set, only report progress.
        selection: Which messages: without an analysis (missing), with a failed one (failed), with
            one by another engine, an older version or other models (outdated), in quarantine
            (quarantined), or all.
        start: Only messages sent at or after this time. Empty: from the beginning.
        end: Only messages sent before this time. Empty: until now.
        languages: Only conversations in these languages, such as en. Empty: all.
        conversation_ids: Only these conversations. Empty: all.
        engine: Analysis engine, in the installed version.
        newest_first: Start with the newest recordings.
        max_parallel: Number of parallel runs; each uses all cores of its machine.
        chunk_size: Messages claimed, analysed and written together.
        limit: Maximum number of messages. Empty: no limit.
        canary_size: Number of messages in the first sample.
        max_mean_shift: Ask for approval if the sample's mean accuracy or fluency changes by more
            than this many points.
        fail_above_percent: Fail the run if more than this percentage of the messages could not be
            analysed.
        price_book: Prices for the dry run's estimate.
        resume: Number of an existing backfill to continue; its selection is already fixed.

    Returns:
        The backfill's progress.

    Raises:
        ClockSkew: If this machine's clock is off; nothing is done.
        BackfillUnknown, BackfillClosed, EngineChanged: If `resume` names a backfill that cannot be
            continued here.
        BackfillNotApproved: If the sample changed too much and nobody approved the rest.
        BackfillStopped: If somebody stopped it.
        BackfillStalled: If its child runs keep ending without progress.
        AnalysesBroken: If some of the written analyses break data-quality rules.
        BackfillIncomplete: If too many messages could not be analysed; everything else is written
            first.
    """
    logger = get_run_logger()
    started_at = utc_now()
    check_clocks(started_at)
    request = normalised(
        BackfillRequest(
            selection,
            start=start,
            end=end,
            languages=tuple(languages or ()),
            conversation_ids=tuple(conversation_ids or ()),
            newest_first=newest_first,
            limit=limit,
            canary_size=canary_size,
        )
    )
    if dry_run and resume:
        progress, _ = report_backfill(resume, took=utc_now() - started_at, dry_run=True)
        logger.info("%d of %d done; nothing is changed", progress.done, progress.selected)
        return progress
    if dry_run:
        plan, estimated = plan_backfill(
            request, parallel=max_parallel, price_book=price_book, as_of=started_at
        )
        publish_plan(plan, estimated)
        logger.info("%d messages would be analysed; nothing is changed", estimated.messages)
        return BackfillProgress(selected=estimated.messages, open=estimated.messages)
    backfill = freeze_backfill(take_over(request, reason, resume).id)
    logger.info("Backfill %d holds %d messages", backfill.id, backfill.selected)
    if backfill.approved_by is None:
        _try_sample(backfill.id, chunk_size, max_mean_shift)
    _analyse_all(backfill, max_parallel, chunk_size)
    progress, broken = report_backfill(backfill.id, took=utc_now() - started_at, dry_run=False)
    if progress.open:
        raise BackfillStopped(backfill.id, progress.open)
    if broken:
        analysed = progress.outcomes[BackfillOutcome.ANALYZED]
        raise AnalysesBroken(broken.total(), analysed, tuple(sorted(broken)))
    if 100 * progress.failed > fail_above_percent * progress.selected:
        raise BackfillIncomplete(
            backfill.id, progress.failed, progress.selected, fail_above_percent
        )
    return progress


def _try_sample(backfill_id: int, chunk_size: int, max_mean_shift: float) -> None:
    """Analyse the first sample here, and go on only if it changed little or a person says so."""
    work(backfill_id, chunk_size=chunk_size, canary=True)
    objection = compare_sample(backfill_id, max_mean_shift=max_mean_shift)
    if objection is None:
        approve(backfill_id, APPROVED_BY_POLICY)
        return
    get_run_logger().warning("Waiting for approval: %s", objection)
    form = BackfillApproval.with_initial_data(
        description=f"**Backfill {backfill_id}: {objection}.**\n\nLook at the artifacts "
        f"`backfill-analysis-canary` and `backfill-analysis-charts`. To analyse the rest, enter "
        f"the number {backfill_id} and your name; else cancel this run, and undo the sample."
    )
    try:
        # A run of a deployment lets go of its process and begins again from the top when a person
        # has answered; without a deployment there is nobody to begin it again.
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
    approve(backfill_id, answer.approved_by)


class _Pace:
    """Tells how far the backfill has come and when it will be done, in log and artifact."""

    def __init__(self, backfill: Backfill) -> None:
        self._backfill = backfill
        self._began, self._first = time.monotonic(), count_open(backfill.id)
        self._told = -math.inf
        self._artifact = cast(  # a coroutine only in async flows
            "UUID", create_progress_artifact(0.0, key="backfill-analysis-progress")
        )

    def tell(self) -> None:
        """Tell, unless that was done a moment ago."""
        if time.monotonic() - self._told >= POLL_SECONDS:
            self.count()

    def count(self) -> int:
        """Tell; return how many messages are still to be done."""
        self._told, selected = time.monotonic(), self._backfill.selected
        still_open = count_open(self._backfill.id)
        words = f"{selected - still_open:,} of {selected:,} done"
        if self._first > still_open > 0:
            pace = (self._told - self._began) / (self._first - still_open)
            minutes = pace * still_open / 60
            left = f"{minutes:.0f} minutes" if minutes >= 1 else "less than a minute"
            words += f"; {left} left"
        get_run_logger().info(words)
        share = 100 * (1 - still_open / selected) if selected else 100.0
        with suppress(HTTPError, PrefectHTTPStatusError):  # a server away ends no work of days
            update_progress_artifact(self._artifact, share, words)
        return still_open


def _analyse_all(backfill: Backfill, max_parallel: int, chunk_size: int) -> None:
    pace = _Pace(backfill)
    chunks = pace.count() / chunk_size
    if deployment.id and (max_parallel > 1 or chunks > MAX_CHUNKS):
        _lead(backfill.id, max_parallel, chunk_size, pace)
    else:
        work(backfill.id, chunk_size=chunk_size, told=pace.tell)
        pace.count()


def _lead(backfill_id: int, max_parallel: int, chunk_size: int, pace: _Pace) -> None:
    """Start children, and others where they end before everything is done.

    A child that was killed together with its worker never ends for Prefect: where nothing has got
    done for longer than its leases last, others take the places of all.
    """
    children = {place: start_child(backfill_id, place, chunk_size) for place in range(max_parallel)}
    least, since, in_vain = math.inf, time.monotonic(), 0
    while still_open := pace.count():
        if still_open < least:
            least, since, in_vain = still_open, time.monotonic(), 0
        if in_vain >= STARTED_IN_VAIN * max_parallel:
            raise BackfillStalled(backfill_id, still_open, in_vain)
        time.sleep(POLL_SECONDS)
        is_stuck = time.monotonic() - since > STUCK_SECONDS
        ended = [place for place, (run_id, _) in children.items() if is_stuck or has_ended(run_id)]
        if not ended:
            continue
        if is_stopped(backfill_id):  # asked after they ended
            return
        for place in ended:
            _, generation = children[place]
            children[place] = start_child(backfill_id, place, chunk_size, after=generation)
        in_vain, since = in_vain + len(ended), time.monotonic()
