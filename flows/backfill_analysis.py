"""Re-analyse history: select and freeze messages, try a sample, then analyse the rest."""

import time
from datetime import timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from pydantic import AfterValidator, AwareDatetime, Field

from flows.progress import Progress
from flows.run_names import with_mode
from flows.work_on_backfill import MAX_CHUNKS, work
from policy.backfill import APPROVED_BY_POLICY, check_request, normalised
from policy.costs import PriceBookName
from schema.clock import utc_now
from schema.errors.analysis import AnalysesBroken
from schema.errors.backfill import BackfillIncomplete, BackfillStopped
from schema.facts.backfill import Backfill, BackfillProgress, BackfillRequest
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection
from schema.wording import counted
from schema.written_text import written
from tasks.analysis.engines import chosen_engine, covered_languages
from tasks.backfill.approval import wait_for_approval
from tasks.backfill.backfill_analysis import (
    approve,
    check_resumed,
    compare_sample,
    freeze_backfill,
    plan_backfill,
    publish_plan,
    report_backfill,
    stop_backfills,
    take_over,
)
from tasks.backfill.children import BackfillChildren
from tasks.backfill.queue import count_open
from tasks.runtime.chunk_runner import ChunkTaskRunner
from tasks.runtime.clocks import check_clocks

POLL_SECONDS = 10.0


def stop_when_cancelled(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Stop the children of a cancelled run from claiming more."""
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
    reason: Annotated[str, Field(min_length=3, max_length=200), AfterValidator(written)],
    dry_run: bool = True,
    selection: BackfillSelection = BackfillSelection.OUTDATED,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    languages: list[str] | None = None,
    conversation_ids: list[str] | None = None,
    engine: AnalysisEngine | None = None,
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
            one by another engine, an older version or other models (outdated, see engine), in
            quarantine (quarantined), or all.
        start: Only messages sent at or after this time. Empty: from the beginning.
        end: Only messages sent before this time. Empty: until now.
        languages: Only conversations in these languages, such as en. Empty: all.
        conversation_ids: Only these conversations. Empty: all.
        engine: Analysis engine, in the installed version: kaiwa-large (English, scores best),
            kaiwa (English, faster), dtw (every language, without scores of pronunciation), auto.
            If set, analyses by the other engine count as outdated; if empty, KAIWA_ENGINE
            is used and they do not.
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
        resume: The backfill_id of an existing backfill to continue, with the selection that it
            already has. Empty: a new backfill.

    Returns:
        The backfill's progress.

    Raises:
        ParametersRefused: If the selection could hold no message, or is not that of the backfill to
            resume; nothing is done.
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
            engine=engine,
        )
    )
    covered = covered_languages(chosen_engine(engine), None)
    check_request(request, as_of=started_at, languages=covered)
    if resume is not None:
        check_resumed(resume, request)
    check_clocks(started_at)
    if dry_run and resume:
        progress, _ = report_backfill(
            resume, took=utc_now() - started_at, waited=timedelta(), dry_run=True
        )
        logger.info("Dry run: %d of %d done", progress.done, progress.selected)
        return progress
    if dry_run:
        chosen = chosen_engine(engine)
        plan, estimated = plan_backfill(
            request,
            engine=chosen,
            parallel=max_parallel,
            price_book=price_book,
            as_of=started_at,
        )
        publish_plan(plan, estimated, chosen)
        logger.info("Dry run: %s would be analysed", counted(estimated.messages, "message"))
        return BackfillProgress(selected=estimated.messages, open=estimated.messages)
    backfill = freeze_backfill(take_over(request, reason, resume).id)
    logger.info("Backfill %d holds %s", backfill.id, counted(backfill.selected, "message"))
    waited = timedelta()
    if backfill.approved_by is None:
        waited = _try_sample(backfill.id, chunk_size, max_mean_shift)
    _analyse_all(backfill, max_parallel, chunk_size)
    took = utc_now() - started_at
    progress, broken = report_backfill(backfill.id, took=took, waited=waited, dry_run=False)
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


def _try_sample(backfill_id: int, chunk_size: int, max_mean_shift: float) -> timedelta:
    """Analyse the first sample in this run; if it changed too much, wait for approval.

    Returns:
        How long this process waited.
    """
    work(backfill_id, chunk_size=chunk_size, canary=True)
    objection = compare_sample(backfill_id, max_mean_shift=max_mean_shift)
    if objection is None:
        approve(backfill_id, APPROVED_BY_POLICY)
        return timedelta()
    get_run_logger().warning("Waiting for approval: %s", objection)
    asked_at = utc_now()
    approved_by = wait_for_approval(backfill_id, objection)
    waited = utc_now() - asked_at
    approve(backfill_id, approved_by)
    return waited


def _analyse_all(backfill: Backfill, max_parallel: int, chunk_size: int) -> None:
    still_open = count_open(backfill.id)
    progress = Progress(percent=_percent_done(backfill, still_open))

    def report_if_older() -> None:
        if progress.is_older_than(POLL_SECONDS):
            _report(backfill, progress)

    report_if_older()
    if deployment.id and (max_parallel > 1 or still_open > MAX_CHUNKS * chunk_size):
        children = BackfillChildren(backfill.id, max_parallel, chunk_size)
        while children.keep_going():
            time.sleep(POLL_SECONDS)
            report_if_older()
    else:
        work(backfill.id, chunk_size=chunk_size, after_chunk=report_if_older)
    _report(backfill, progress)


def _report(backfill: Backfill, progress: Progress) -> None:
    still_open = count_open(backfill.id)
    done = f"{backfill.selected - still_open:,} of {backfill.selected:,} done"
    progress.report_with_time_left(_percent_done(backfill, still_open), done)


def _percent_done(backfill: Backfill, still_open: int) -> float:
    return 100 * (1 - still_open / backfill.selected) if backfill.selected else 100.0
