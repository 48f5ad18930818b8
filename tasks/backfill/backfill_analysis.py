"""Tasks of `flows/backfill_analysis.py` before and after the analyses themselves."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from policy.backfill import (
    MOST_CHANGED_SHOWN,
    BackfillEstimate,
    Comparison,
    by_language,
    compare,
    estimate,
    fingerprint,
    objection,
)
from policy.costs import PriceBookName, prices_of
from reports.backfill import canary_summary, plan_summary, report_summary
from reports.backfill_charts import charts
from reports.canvas import page_of_images
from schema.errors.backfill import BackfillStopped
from schema.facts.backfill import Backfill, BackfillPlan, BackfillProgress, BackfillRequest
from speech import engine
from stores.backfill import backfills, items
from stores.costs import throughput
from stores.quality.rules.catalogue import DISTRUSTED, RULES
from tasks.analysis import pool
from tasks.analysis.gate import OURS
from tasks.backfill.chunk import installed_release, open_backfill, require_backfill
from tasks.resources.database import in_transaction

ARTIFACT = "backfill-analysis"
MEASURED_OVER = timedelta(days=30)
FREEZE_AT_ONCE = 1_000  # messages; they are locked against deletion for so long


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
    plan = in_transaction(backfills.plan, request, installed_release(), engine.LANGUAGES)
    lately = in_transaction(
        throughput.throughput, since=as_of - MEASURED_OVER, as_of=as_of, distrusted=DISTRUSTED
    )
    pace = None
    if lately.analysis_seconds and lately.audio_hours:
        pace = 3600 * lately.audio_hours / lately.analysis_seconds
    return plan, estimate(
        plan,
        limit=request.limit,
        cores=parallel * pool.available_cores(),
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
def take_over(request: BackfillRequest, reason: str, resume: int | None) -> Backfill:
    """Let this run drive a backfill, and return it as it stands.

    That is the one to resume, or the one that this run drove before it was suspended, or else that
    of this request and reason, which is written down unless it is there already.

    Raises:
        BackfillUnknown, BackfillClosed, EngineChanged: If it cannot go on here.
    """
    run_id = UUID(flow_run.id) if flow_run.id else None
    backfill_id = resume or _driven_by(run_id) or _begin(request, reason)
    open_backfill(backfill_id)
    in_transaction(backfills.drive, backfill_id, flow_run_id=run_id)
    return open_backfill(backfill_id)


def _driven_by(run_id: UUID | None) -> int | None:
    if run_id is None:
        return None
    return in_transaction(backfills.driven_by, run_id)


def _begin(request: BackfillRequest, reason: str) -> int:
    release = installed_release()
    return in_transaction(
        backfills.begin,
        request,
        release,
        fingerprint=fingerprint(request, release, reason),
        reason=reason,
    )


@task(cache_policy=NO_CACHE)
def freeze_backfill(backfill_id: int) -> Backfill:
    """Select all messages of a backfill, page by page; one that broke off goes on.

    Raises:
        BackfillUnknown, BackfillClosed, EngineChanged: If it cannot go on here.
    """
    while in_transaction(
        backfills.freeze_page,
        backfill_id,
        installed_release(),
        engine.LANGUAGES,
        limit=FREEZE_AT_ONCE,
    ):
        pass
    return open_backfill(backfill_id)


def stop_backfills(flow_run_id: UUID) -> list[int]:
    """Let nothing more be claimed of what a run drives; what is being analysed is still written."""
    return in_transaction(backfills.stop, flow_run_id)


@task(cache_policy=NO_CACHE)
def compare_sample(backfill_id: int, *, max_mean_shift: float) -> str | None:
    """Compare the first sample with what was stored, and publish that.

    The artifacts are `backfill-analysis-canary` and `backfill-analysis-charts`.

    Returns:
        Why a person must look at it before the rest is analysed; None: no need.

    Raises:
        BackfillStopped: If part of the sample is still to be done.
    """
    sample, rescored, most_changed, broken = in_transaction(
        lambda connection: (
            items.progress(connection, backfill_id, canary=True),
            items.rescored(connection, backfill_id, canary=True),
            items.most_changed(connection, backfill_id, limit=MOST_CHANGED_SHOWN),
            items.broken_rules(connection, backfill_id, OURS, canary=True),
        )
    )
    if sample.open:
        raise BackfillStopped(backfill_id, sample.open)
    comparison = compare(rescored)
    reason = objection(comparison, sample, broken.total(), max_mean_shift=max_mean_shift)
    kept = {"objection": reason, "comparison": comparison and asdict(comparison)}
    in_transaction(backfills.write_comparison, backfill_id, kept)
    create_markdown_artifact(
        canary_summary(sample, most_changed, comparison, reason),
        key=f"{ARTIFACT}-canary",
        description=f"First sample of backfill {backfill_id}: {reason or 'no objection'}",
    )
    if comparison is not None:
        _publish_charts(
            charts(rescored, comparison),
            f"Scores before and after: first sample of backfill {backfill_id}",
        )
    return reason


@task(cache_policy=NO_CACHE)
def approve(backfill_id: int, approved_by: str) -> None:
    """Let a backfill go on after its first sample."""
    in_transaction(backfills.approve, backfill_id, approved_by=approved_by)


@task(cache_policy=NO_CACHE)
def report_backfill(
    backfill_id: int, *, took: timedelta, dry_run: bool
) -> tuple[BackfillProgress, Counter[str]]:
    """Publish what a backfill did so far, and write it to its table if all is done.

    The artifacts are `backfill-analysis` and `backfill-analysis-charts`.

    Args:
        backfill_id: Which.
        took: This run's time.
        dry_run: Write nothing.

    Returns:
        How far it came, and how many of its analyses break rules of data quality, by rule.

    Raises:
        BackfillUnknown: If there is none of this number.
    """
    require_backfill(backfill_id)
    progress, rescored, broken = in_transaction(
        lambda connection: (
            items.progress(connection, backfill_id),
            items.rescored(connection, backfill_id),
            items.broken_rules(connection, backfill_id, OURS),
        )
    )
    languages = by_language(rescored)
    create_markdown_artifact(
        report_summary(backfill_id, progress, languages, rules=RULES, broken=broken, took=took),
        key=ARTIFACT,
        description=f"Backfill {backfill_id}: {progress.done:,} of {progress.selected:,} done",
    )
    comparison = compare(rescored)
    if comparison is not None:
        _publish_charts(
            charts(rescored, comparison), f"Scores before and after: backfill {backfill_id}"
        )
    if not (progress.open or dry_run):
        report = _report(progress, languages, broken, took)
        in_transaction(backfills.end, backfill_id, report)
    return progress, broken


def _report(
    progress: BackfillProgress,
    languages: dict[str, Comparison],
    broken: Counter[str],
    took: timedelta,
) -> dict[str, object]:
    return {
        "selected": progress.selected,
        "outcomes": {outcome.value: count for outcome, count in progress.outcomes.items()},
        "causes": dict(progress.causes),
        "broken_rules": dict(broken),
        "languages": {language: asdict(one) for language, one in languages.items()},
        "audio_seconds": progress.audio_seconds,
        "cpu_seconds": progress.cpu_seconds,
        "last_run_seconds": took.total_seconds(),
    }


def _publish_charts(drawn: dict[str, bytes], description: str) -> None:
    create_markdown_artifact(
        page_of_images(drawn), key=f"{ARTIFACT}-charts", description=description
    )
