"""Analyse uploaded recordings: alignment, scores and feedback in `message_audio_analysis`."""

from typing import Annotated

from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.logging import get_run_logger
from pydantic import Field

from flows.progress import Progress
from policy.languages import check_languages
from policy.runs import too_many_failures
from reports.analysis import languages_line
from schema.clock import utc_now
from schema.errors.analysis import AnalysesBroken, RunIncomplete
from schema.facts.analysis import AnalysisReport
from schema.states import AnalysisEngine
from schema.wording import counted
from tasks.analysis.analyze_messages import (
    analyze_chunk,
    count_without_engine,
    plan_chunks,
    publish_summary,
    put_back_scores,
    recover_stale_messages,
)
from tasks.analysis.engines import chosen_engine
from tasks.runtime.app_objects import mend_app_objects
from tasks.runtime.chunk_runner import ChunkTaskRunner
from tasks.runtime.clocks import check_clocks


@flow(
    name="analyze-messages",
    flow_run_name="analyze-up-to-{limit}",
    task_runner=ChunkTaskRunner(),  # type: ignore[arg-type]  # Prefect types it for coroutines
)
def analyze_messages(
    limit: Annotated[int, Field(ge=1, le=100_000)] = 1000,
    chunk_size: Annotated[int, Field(ge=1, le=500)] = 100,
    languages: list[str] | None = None,
    engine: AnalysisEngine | None = None,
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5,
    workers: Annotated[int | None, Field(ge=1, le=256)] = None,
    fail_above_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
) -> AnalysisReport:
    """Analyse learners' recordings in state `uploaded`, oldest first.

    Recordings in a language without an engine stay `uploaded`; the summary counts them. The run
    starts by restoring the scores that the app cleared when it saved a conversation again.

    Safe to run concurrently and to stop at any time: messages are leased, and a later run picks up
    what an interrupted one left behind.

    Args:
        limit: Maximum number of messages in this run.
        chunk_size: Messages claimed, analysed and written together.
        languages: Only conversations in these languages, such as en. Empty: every language that
            has an engine.
        engine: Analysis engine: kaiwa-large (English, scores best), kaiwa (English, faster), dtw
            (every language, without scores of pronunciation), auto (for each language the one that
            tells most). Empty: the deployment's KAIWA_ENGINE.
        max_attempts: Attempts before a transient failure (bucket, timeout) becomes final.
        workers: Analysis processes, per machine on a Dask cluster. Empty: one per core.
        fail_above_percent: Fail the run if more than this percentage of its messages fail.

    Returns:
        Counts of what happened to the messages.

    Raises:
        ParametersRefused: If a language is not one of the app's; nothing is done.
        AppObjectsLost: If our indexes or trigger were dropped and this login cannot recreate them.
        ClockSkew: If this machine's clock is off.
        ClusterUnavailable: If a Dask cluster is configured and does not answer.
        AnalysesBroken: If some of the written analyses break data-quality rules.
        RunIncomplete: If too many messages failed or a chunk was aborted; everything else is
            written first.
    """
    logger = get_run_logger()
    check_languages(languages or ())
    chosen = chosen_engine(engine)
    started_at = utc_now()
    check_clocks(started_at)
    mend_app_objects()
    report = AnalysisReport(scores_put_back=put_back_scores())
    recovered = recover_stale_messages()
    # An empty form field comes as an empty list.
    chunks = plan_chunks(limit, chunk_size, languages or None, chosen)
    report += AnalysisReport(without_engine=count_without_engine(chosen))
    logger.info(
        "%s to analyse; %d recovered from interrupted runs; %s restored that the app had cleared; "
        "waiting for an engine: %s",
        counted(sum(chunk.size for chunk in chunks), "message"),
        recovered,
        counted(report.scores_put_back, "score"),
        languages_line(report.without_engine) or "none",
    )
    if not chunks and report == AnalysisReport():
        return report

    submitted = [
        analyze_chunk.submit(
            chunk,
            languages or None,
            engine=chosen,
            max_attempts=max_attempts,
            workers=workers,
            as_of=started_at,
        )
        for chunk in chunks
    ]
    done, broken = _gather(submitted, sum(chunk.size for chunk in chunks))
    report += done
    publish_summary(report, broken_chunks=broken, started_at=started_at, ended_at=utc_now())
    if report.broken:
        raise AnalysesBroken(report.broken, report.analyzed, tuple(sorted(report.broken_rules)))
    if broken or too_many_failures(report, fail_above_percent):
        raise RunIncomplete(report.not_analyzed, report.claimed, broken, fail_above_percent)
    return report


def _gather(
    chunks: list[PrefectFuture[AnalysisReport]], waiting: int
) -> tuple[AnalysisReport, int]:
    """Wait for all chunks and report progress; return their sum, and how many failed."""
    report, broken = AnalysisReport(), 0
    if not chunks:
        return report, broken
    logger = get_run_logger()
    progress = Progress(description=f"0 of {counted(waiting, 'message')} done")
    for chunk in as_completed(chunks):
        outcome = chunk.result(raise_on_failure=False)  # `state` would query the server, which lags
        if isinstance(outcome, AnalysisReport):
            report += outcome
            progress.report(
                100 * report.claimed / waiting,
                f"{report.claimed:,} of {counted(waiting, 'message')} done",
            )
        else:
            broken += 1
            logger.warning("A chunk failed: %s", outcome)
    if not broken and report.claimed < waiting:
        logger.info(
            "%s claimed by other runs, or by a Dask worker that died; a later run recovers the"
            " latter",
            counted(waiting - report.claimed, "message was", "messages were"),
        )
    return report, broken
