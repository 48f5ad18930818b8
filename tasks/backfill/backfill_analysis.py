"""Tasks of `flows/backfill_analysis.py` before and after the analyses."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from sqlalchemy import Connection

from policy.backfill import (
    MOST_CHANGED_SHOWN,
    BackfillEstimate,
    contradicts,
    estimate,
    fingerprint,
    objection,
)
from policy.costs import PriceBookName, prices_of
from policy.score_changes import Comparison, by_language, compare
from reports.backfill import canary_summary, plan_summary, report_summary
from reports.backfill_charts import charts
from reports.canvas import page_of_images
from schema.errors.backfill import BackfillStopped
from schema.errors.base import ParametersRefused
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import Backfill, BackfillPlan, BackfillProgress, BackfillRequest
from schema.states import AnalysisEngine
from schema.wording import counted
from stores.backfill import backfills, comparison, freezing, progress, selection
from stores.costs import throughput
from stores.quality.rules.catalogue import DISTRUSTED, RULES
from tasks.analysis import pool
from tasks.analysis.engines import (
    chosen_engine,
    covered_languages,
    installed_release,
    releases,
)
from tasks.analysis.gate import OURS
from tasks.backfill.chunk import open_backfill, release_for, require_backfill
from tasks.resources.database import in_transaction

ARTIFACT = "backfill-analysis"
MEASURED_OVER = timedelta(days=30)
FREEZE_AT_ONCE = 1_000  # messages per transaction, which locks them against deletion


@task(cache_policy=NO_CACHE)
def plan_backfill(
    request: BackfillRequest,
    *,
    engine: AnalysisEngine,
    parallel: int,
    price_book: PriceBookName,
    as_of: datetime,
) -> tuple[BackfillPlan, BackfillEstimate]:
    """Count the messages that a backfill would select, and estimate its time and cost.

    Args:
        request: Which messages to select.
        engine: The engine that would analyse them.
        parallel: Concurrent runs, each on as many cores as this process may use.
        price_book: Prices of the bucket.
        as_of: End of the 30 days over which the pace is measured, UTC.

    Raises:
        ParametersRefused: If no message can meet the request.
    """
    in_transaction(_check_selection, request)
    plan = in_transaction(
        selection.plan,
        request,
        installed_release(engine),
        _current_releases(request),
        covered_languages(engine, None),
    )
    recent = in_transaction(
        throughput.throughput,
        since=as_of - MEASURED_OVER,
        as_of=as_of,
        distrusted=DISTRUSTED,
        engines=[release.engine for release in releases(engine)],
    )
    pace = None
    if recent.analysis_seconds and recent.audio_hours:
        pace = 3600 * recent.audio_hours / recent.analysis_seconds
    return plan, estimate(
        plan,
        engine=engine,
        limit=request.limit,
        cores=parallel * pool.available_cores(),
        times_real_time=pace,
        prices=prices_of(price_book),
    )


@task(cache_policy=NO_CACHE)
def publish_plan(plan: BackfillPlan, estimated: BackfillEstimate, engine: AnalysisEngine) -> None:
    """Publish the plan of a backfill as the artifact `backfill-analysis`."""
    create_markdown_artifact(
        plan_summary(plan, estimated, installed_release(engine)),
        key=ARTIFACT,
        description=f"Dry run: {counted(estimated.messages, 'message')} would be analysed",
    )


def check_resumed(backfill_id: int, request: BackfillRequest) -> None:
    """Check that a backfill exists, and that a run to resume it states no other selection.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
        ParametersRefused: If the request is not the backfill's.
    """
    require_backfill(backfill_id)
    stored = in_transaction(backfills.request_of, backfill_id)
    if contradicts(request, stored):
        problem = (
            f"Backfill {backfill_id} has another selection. To resume it, leave `selection`, "
            "`start`, `end`, `languages`, `conversation_ids`, `limit` and `engine` as they were or "
            "at their defaults. To select other messages, leave `resume` empty."
        )
        raise ParametersRefused(problem)


@task(cache_policy=NO_CACHE)
def take_over(request: BackfillRequest, reason: str, resume: int | None) -> Backfill:
    """Make this run the driver of a backfill, and return the backfill.

    It is the one to resume, the one that this run drove before it was suspended, or the one for
    this request and reason, created if necessary.

    Raises:
        ParametersRefused: If no message can meet the request; nothing is created.
        BackfillUnknown, BackfillClosed, EngineChanged: If it cannot continue here.
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


def _check_selection(connection: Connection, request: BackfillRequest) -> None:
    """Raise if no message can meet the request."""
    problem = None
    if unknown := selection.count_unknown_conversations(connection, request):
        problem = f"{unknown} of {len(request.conversation_ids)} `conversation_ids` do not exist."
    elif not selection.window_has_recordings(connection, request):
        problem = (
            "Nobody sent a recording between `start` and `end`. Check both, and their time zone."
        )
    if problem is not None:
        raise ParametersRefused(problem)


def _begin(request: BackfillRequest, reason: str) -> int:
    in_transaction(_check_selection, request)
    # All current releases, so that the same arguments find it whatever `KAIWA_ENGINE` says by then.
    return in_transaction(
        backfills.begin,
        request,
        installed_release(chosen_engine(request.engine)),
        fingerprint=fingerprint(request, _current_releases(request), reason),
        reason=reason,
    )


def _current_releases(request: BackfillRequest) -> list[EngineRelease]:
    """Return the releases whose analyses are not outdated."""
    if request.engine is not None:
        return releases(request.engine)
    return [installed_release(one) for one in AnalysisEngine if one is not AnalysisEngine.AUTO]


@task(cache_policy=NO_CACHE)
def freeze_backfill(backfill_id: int) -> Backfill:
    """Select all messages of a backfill, page by page, resuming where an earlier run stopped.

    Raises:
        BackfillUnknown, BackfillClosed, EngineChanged: If it cannot continue here.
    """
    release = release_for(require_backfill(backfill_id))
    current = _current_releases(in_transaction(backfills.request_of, backfill_id))
    languages = covered_languages(AnalysisEngine(release.engine), None)
    while in_transaction(
        freezing.freeze_page,
        backfill_id,
        release,
        current,
        languages,
        limit=FREEZE_AT_ONCE,
    ):
        pass
    return open_backfill(backfill_id)


def stop_backfills(flow_run_id: UUID) -> list[int]:
    """Stop further claims on the backfills that a run drives; chunks in progress still finish."""
    return in_transaction(backfills.stop, flow_run_id)


@task(cache_policy=NO_CACHE)
def compare_sample(backfill_id: int, *, max_mean_shift: float) -> str | None:
    """Compare the first sample with the earlier analyses, and publish the result.

    The artifacts are `backfill-analysis-canary` and `backfill-analysis-charts`.

    Returns:
        Why the rest needs approval; None if it does not.

    Raises:
        BackfillStopped: If part of the sample is still open.
    """
    sample, rescored, most_changed, broken, lost = in_transaction(
        lambda connection: (
            progress.count(connection, backfill_id, canary=True),
            comparison.rescored(connection, backfill_id, canary=True),
            comparison.most_changed(connection, backfill_id, limit=MOST_CHANGED_SHOWN),
            comparison.broken_rules(connection, backfill_id, OURS, canary=True),
            comparison.count_lost_accuracies(connection, backfill_id),
        )
    )
    if sample.open:
        raise BackfillStopped(backfill_id, sample.open)
    compared = compare(rescored)
    reason = objection(compared, sample, broken.total(), lost, max_mean_shift=max_mean_shift)
    kept = {"objection": reason, "comparison": compared and asdict(compared)}
    in_transaction(backfills.write_comparison, backfill_id, kept)
    create_markdown_artifact(
        canary_summary(sample, most_changed, compared, reason),
        key=f"{ARTIFACT}-canary",
        description=f"First sample of backfill {backfill_id}: {reason or 'no objection'}",
    )
    if compared is not None:
        _publish_charts(
            charts(rescored, compared),
            f"Scores before and after: first sample of backfill {backfill_id}",
        )
    return reason


@task(cache_policy=NO_CACHE)
def approve(backfill_id: int, approved_by: str) -> None:
    """Approve the rest of a backfill after its first sample."""
    in_transaction(backfills.approve, backfill_id, approved_by=approved_by)


@task(cache_policy=NO_CACHE)
def report_backfill(
    backfill_id: int, *, took: timedelta, waited: timedelta, dry_run: bool
) -> tuple[BackfillProgress, Counter[str]]:
    """Publish the progress of a backfill; once nothing is open, store it as the final report.

    The artifacts are `backfill-analysis` and `backfill-analysis-charts`.

    Args:
        backfill_id: Number of the backfill.
        took: Duration of this run.
        waited: The part of it spent waiting for approval.
        dry_run: Store nothing.

    Returns:
        The progress, and the number of its analyses that break rules of data quality, by rule.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
    """
    require_backfill(backfill_id)
    so_far, rescored, broken = in_transaction(
        lambda connection: (
            progress.count(connection, backfill_id),
            comparison.rescored(connection, backfill_id),
            comparison.broken_rules(connection, backfill_id, OURS),
        )
    )
    languages = by_language(rescored)
    create_markdown_artifact(
        report_summary(
            backfill_id, so_far, languages, rules=RULES, broken=broken, took=took, waited=waited
        ),
        key=ARTIFACT,
        description=f"Backfill {backfill_id}: {so_far.done:,} of {so_far.selected:,} done",
    )
    compared = compare(rescored)
    if compared is not None:
        _publish_charts(
            charts(rescored, compared), f"Scores before and after: backfill {backfill_id}"
        )
    if not (so_far.open or dry_run):
        in_transaction(backfills.end, backfill_id, _report(so_far, languages, broken, took))
    return so_far, broken


def _report(
    so_far: BackfillProgress,
    languages: dict[str, Comparison],
    broken: Counter[str],
    took: timedelta,
) -> dict[str, object]:
    return {
        "selected": so_far.selected,
        "outcomes": {outcome.value: count for outcome, count in so_far.outcomes.items()},
        "causes": dict(so_far.causes),
        "broken_rules": dict(broken),
        "languages": {language: asdict(one) for language, one in languages.items()},
        "audio_seconds": so_far.audio_seconds,
        "cpu_seconds": so_far.cpu_seconds,
        "last_run_seconds": took.total_seconds(),
    }


def _publish_charts(drawn: dict[str, bytes], description: str) -> None:
    create_markdown_artifact(
        page_of_images(drawn), key=f"{ARTIFACT}-charts", description=description
    )
