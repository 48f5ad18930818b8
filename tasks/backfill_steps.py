"""Tasks of `flows/backfill_analysis.py` before and after the analyses themselves."""

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from policy.backfill import (
    BackfillEstimate,
    Comparison,
    by_language,
    compare,
    estimate,
    fingerprint,
    objection,
)
from policy.costs import PriceBookName, prices_of
from policy.quality import DISTRUSTED
from schema.backfill import Backfill, BackfillPlan, BackfillProgress, BackfillRequest
from speech import engine
from stores import backfill_items, backfills, throughput
from tasks import resources
from tasks.backfill_charts import charts
from tasks.backfill_chunk import installed_release, open_backfill
from tasks.backfill_summary import canary_summary, plan_summary, report_summary
from tasks.chart_canvas import page_of_images

ARTIFACT = "backfill-analysis"
MEASURED_OVER = timedelta(days=30)


@task(cache_policy=NO_CACHE)
def plan_backfill(
    request: BackfillRequest, *, parallel: int, price_book: PriceBookName, as_of: datetime
) -> tuple[BackfillPlan, BackfillEstimate]:
    """Count what a backfill would take, and estimate time and money.

    Args:
        request: Which messages.
        parallel: Runs at once, each on as many cores as this machine lends.
        price_book: Whose prices the bucket asks.
        as_of: The pace is that of the 30 days before, UTC.
    """
    plan = resources.in_transaction(
        lambda connection: backfills.plan(
            connection, request, installed_release(), engine.LANGUAGES
        )
    )
    lately = resources.in_transaction(
        lambda connection: throughput.throughput(
            connection, since=as_of - MEASURED_OVER, as_of=as_of, distrusted=DISTRUSTED
        )
    )
    pace = None
    if lately.analysis_seconds and lately.audio_hours:
        pace = 3600 * lately.audio_hours / lately.analysis_seconds
    return plan, estimate(
        plan,
        limit=request.limit,
        cores=parallel * resources.available_cores(),
        times_real_time=pace,
        prices=prices_of(price_book),
    )


@task(cache_policy=NO_CACHE)
def publish_plan(plan: BackfillPlan, estimated: BackfillEstimate) -> None:
    """Publish what a backfill would do as the artifact `backfill-analysis`."""
    create_markdown_artifact(
        plan_summary(plan, estimated, installed_release()),
        key=ARTIFACT,
        description=f"{estimated.messages:,} messages would be analysed; nothing is changed",
    )


@task(cache_policy=NO_CACHE)
def freeze_backfill(request: BackfillRequest, reason: str) -> int:
    """Write the selection down, or find that it was; return the backfill's number."""
    release = installed_release()
    return resources.in_transaction(
        lambda connection: backfills.freeze(
            connection,
            request,
            release,
            engine.LANGUAGES,
            fingerprint=fingerprint(request, release, reason),
            reason=reason,
        )
    )


@task(cache_policy=NO_CACHE)
def take_over(backfill_id: int) -> Backfill:
    """Let this run drive a backfill, and return it as it stands.

    Raises:
        BackfillUnknown, BackfillClosed, EngineChanged: If it cannot go on here.
    """
    open_backfill(backfill_id)
    run_id = flow_run.id
    resources.in_transaction(
        lambda connection: backfills.drive(
            connection, backfill_id, flow_run_id=UUID(run_id) if run_id else None
        )
    )
    return open_backfill(backfill_id)


def stop_backfills(flow_run_id: UUID) -> list[int]:
    """Let nothing more be claimed of what a run drives; what is being analysed is still written."""
    return resources.in_transaction(lambda connection: backfills.stop(connection, flow_run_id))


def progress_of(backfill_id: int, *, canary: bool = False) -> BackfillProgress:
    """Count how far a backfill, or its first sample alone, has come."""
    return resources.in_transaction(
        lambda connection: backfill_items.progress(connection, backfill_id, canary=canary)
    )


@task(cache_policy=NO_CACHE)
def compare_sample(backfill_id: int, *, max_mean_shift: float) -> str | None:
    """Compare the first sample with what was stored, and publish that.

    The artifacts are `backfill-analysis-canary` and `backfill-analysis-charts`.

    Returns:
        Why a person must look at it before the rest is analysed; None: no need.
    """
    sample = progress_of(backfill_id, canary=True)
    rescored = resources.in_transaction(
        lambda connection: backfill_items.rescored(connection, backfill_id, canary=True)
    )
    comparison = compare(rescored)
    reason = objection(comparison, sample, max_mean_shift=max_mean_shift)
    kept = {"objection": reason, "comparison": comparison and asdict(comparison)}
    resources.in_transaction(
        lambda connection: backfills.write_comparison(connection, backfill_id, kept)
    )
    create_markdown_artifact(
        canary_summary(sample, rescored, comparison, reason),
        key=f"{ARTIFACT}-canary",
        description=f"First sample of backfill {backfill_id}: {reason or 'changed little'}",
    )
    if comparison is not None:
        _publish_charts(charts(rescored, comparison), f"First sample of backfill {backfill_id}")
    return reason


@task(cache_policy=NO_CACHE)
def approve(backfill_id: int, approved_by: str) -> None:
    """Let a backfill go on after its first sample."""
    resources.in_transaction(
        lambda connection: backfills.approve(connection, backfill_id, approved_by=approved_by)
    )


@task(cache_policy=NO_CACHE)
def end_backfill(backfill_id: int, *, took: timedelta) -> BackfillProgress:
    """Write the final report, to its table and as artifacts; return how far it came.

    A backfill of which messages are still to be done gets its artifact alone.
    """
    progress = progress_of(backfill_id)
    rescored = resources.in_transaction(
        lambda connection: backfill_items.rescored(connection, backfill_id)
    )
    broken = resources.in_transaction(
        lambda connection: backfill_items.in_quarantine(connection, backfill_id)
    )
    languages = by_language(rescored)
    create_markdown_artifact(
        report_summary(backfill_id, progress, languages, broken=broken, took=took),
        key=ARTIFACT,
        description=f"Backfill {backfill_id}: {progress.done:,} of {progress.selected:,} done",
    )
    comparison = compare(rescored)
    if comparison is not None:
        _publish_charts(charts(rescored, comparison), f"Backfill {backfill_id}")
    if not progress.open:
        report = _report(progress, languages, broken, took)
        resources.in_transaction(lambda connection: backfills.end(connection, backfill_id, report))
    return progress


def _report(
    progress: BackfillProgress, languages: dict[str, Comparison], broken: int, took: timedelta
) -> dict[str, object]:
    return {
        "selected": progress.selected,
        "outcomes": {outcome.value: count for outcome, count in progress.outcomes.items()},
        "causes": dict(progress.causes),
        "in_quarantine": broken,
        "languages": {language: asdict(one) for language, one in languages.items()},
        "audio_seconds": progress.audio_seconds,
        "cpu_seconds": progress.cpu_seconds,
        "last_run_seconds": took.total_seconds(),
    }


def _publish_charts(drawn: dict[str, bytes], description: str) -> None:
    create_markdown_artifact(
        page_of_images(drawn), key=f"{ARTIFACT}-charts", description=description
    )
