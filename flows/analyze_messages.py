"""Every uploaded recording → alignment, scores and feedback in `message_audio_analysis`."""

from typing import Annotated, cast
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import as_completed
from prefect.logging import get_run_logger
from pydantic import Field

from policy.runs import chunk_sizes, too_many_failures
from schema.clock import utc_now
from schema.errors import AnalysesBroken, RunIncomplete
from schema.reports import AnalysisReport
from tasks.analyze_messages import (
    analyze_chunk,
    count_waiting,
    publish_summary,
    recover_stale_messages,
)
from tasks.task_runner import ChunkTaskRunner


@flow(
    name="analyze-messages",
    flow_run_name="analyze-up-to-{limit}",
    task_runner=ChunkTaskRunner(),  # type: ignore[arg-type]  # Prefect types it for coroutines
)
def analyze_messages(
    limit: Annotated[int, Field(ge=1, le=100_000)] = 1000,
    chunk_size: Annotated[int, Field(ge=1, le=500)] = 100,
    languages: list[str] | None = None,
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5,
    workers: Annotated[int | None, Field(ge=1, le=256)] = None,
    fail_above_percent: Annotated[float, Field(ge=0, le=100)] = 20.0,
) -> AnalysisReport:
    """Analyse the recordings that wait in state `uploaded`, oldest first.

    Safe to run beside itself and to stop at any time: each message is leased, and what an
    interrupted run leaves behind is taken up again by a later one.

    Args:
        limit: At most this many messages in this run.
        chunk_size: Messages claimed, analysed and written together.
        languages: Only conversations in these languages, such as en. Empty: all.
        max_attempts: Tries before a passing failure (bucket, timeout) becomes final.
        workers: Analysis processes, on each machine of a Dask cluster. Empty: one per core.
        fail_above_percent: The run ends failed when more of its messages than this fail.

    Returns:
        What became of the messages.

    Raises:
        ClusterUnavailable: If the chunks are to run on a Dask cluster that does not answer.
        AnalysesBroken: If some of what was written breaks rules of data quality.
        RunIncomplete: If too many failed or a chunk broke off, after everything else is written.
    """
    logger = get_run_logger()
    started_at = utc_now()
    recovered = recover_stale_messages()
    languages = languages or None  # an empty form field comes as an empty list
    waiting = count_waiting(limit, languages)
    logger.info("%d messages wait; %d recovered from interrupted runs", waiting, recovered)

    if not waiting:
        return AnalysisReport()

    progress = cast(  # a coroutine only in async flows
        "UUID",
        create_progress_artifact(
            0.0, key="analyze-messages-progress", description=f"0 of {waiting:,} messages done"
        ),
    )
    chunks = [
        analyze_chunk.submit(
            size, languages, max_attempts=max_attempts, workers=workers, as_of=started_at
        )
        for size in chunk_sizes(waiting, chunk_size)
    ]
    report, broken = AnalysisReport(), 0
    for chunk in as_completed(chunks):
        outcome = chunk.result(raise_on_failure=False)  # `state` would ask the server, which lags
        if isinstance(outcome, AnalysisReport):
            report += outcome
            told = f"{report.claimed:,} of {waiting:,} messages done"
            logger.info(told)
            update_progress_artifact(progress, 100 * report.claimed / waiting, told)
        else:
            broken += 1
            logger.warning("A chunk broke off: %s", outcome)

    if not broken and report.claimed < waiting:
        logger.info(
            "%d messages were taken by others, or by a Dask worker that died: its own are taken up"
            " by a later run",
            waiting - report.claimed,
        )
    publish_summary(report, broken_chunks=broken, started_at=started_at, ended_at=utc_now())
    if report.broken:
        raise AnalysesBroken(report.broken, report.analyzed, tuple(sorted(report.broken_rules)))
    if broken or too_many_failures(report, fail_above_percent):
        raise RunIncomplete(report.not_analyzed, report.claimed, broken, fail_above_percent)
    return report
