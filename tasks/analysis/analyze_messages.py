"""Tasks of `flows/analyze_messages.py`: claim, analyse, write, report."""

from collections import Counter
from datetime import datetime
from functools import partial

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from policy.leases import LEASE_DURATION, UNLEASED_AGE
from policy.runs import merged_chunks
from reports.analysis import summary
from schema.facts.analysis import AnalysisReport, WaitingChunk
from schema.states import AnalysisEngine
from schema.wording import counted
from stores.analysis import leases, messages
from stores.quality.rules.catalogue import RULES
from tasks.analysis.batch import owner, work_off
from tasks.analysis.engines import covered_languages
from tasks.analysis.results import write_outcomes
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

STALE_MESSAGES_AT_ONCE = 10_000
SCORES_AT_ONCE = 1_000


@task(cache_policy=NO_CACHE)
def recover_stale_messages() -> int:
    """Return messages of killed runs to the queue; return how many."""
    return in_transaction(
        leases.recover_stale, limit=STALE_MESSAGES_AT_ONCE, unleased_age=UNLEASED_AGE
    )


@task(cache_policy=NO_CACHE)
def put_back_scores() -> int:
    """Restore the scores that the app cleared when it saved messages again; return how many."""
    restored = pages(
        lambda connection, after_id: messages.put_back_scores(
            connection, after_id=after_id, limit=SCORES_AT_ONCE
        ),
        "",
        str,
    )
    return sum(len(page) for page in restored)


@task(cache_policy=NO_CACHE)
def plan_chunks(
    limit: int, chunk_size: int, languages: list[str] | None, engine: AnalysisEngine
) -> list[WaitingChunk]:
    """Divide the claimable messages into chunks.

    Args:
        limit: Maximum number of messages in all chunks together.
        chunk_size: Messages per chunk; raised if there would be too many chunks.
        languages: Only conversations in these languages; None: all that the engine supports.
        engine: The engine that will analyse them.
    """
    chunks = in_transaction(
        leases.waiting_chunks,
        languages=covered_languages(engine, languages),
        limit=limit,
        chunk_size=chunk_size,
    )
    return merged_chunks(chunks)


@task(cache_policy=NO_CACHE)
def count_without_engine(engine: AnalysisEngine) -> Counter[str]:
    """Count by language the messages in languages that the engine does not support."""
    return in_transaction(leases.count_uncovered, covered_languages(engine, None))


@task(cache_policy=NO_CACHE, task_run_name="analyze-{chunk.size}-messages")
def analyze_chunk(
    chunk: WaitingChunk,
    languages: list[str] | None,
    *,
    engine: AnalysisEngine,
    max_attempts: int,
    workers: int | None,
    as_of: datetime,
) -> AnalysisReport:
    """Claim the messages of a chunk, analyse them, and write all results in one transaction.

    Messages that other workers claimed first are replaced by the next ones in the queue.

    Args:
        chunk: Position to start from, and maximum number of messages to claim.
        languages: Only conversations in these languages; None: all that the engine supports.
        engine: The engine that analyses them.
        max_attempts: Attempts before a transient failure becomes final.
        workers: Analysis processes; None: one per core.
        as_of: Timestamp of the analyses, UTC.

    Returns:
        Counts of the claimed messages by outcome.

    Raises:
        StorageDenied, StorageUnavailable, WrongBucket, WorkerNotReady: As in `work_off`; the
            messages return to the queue, and no attempt is counted.
    """
    return work_off(
        partial(
            leases.claim,
            languages=covered_languages(engine, languages),
            limit=chunk.size,
            owner=owner(),
            duration=LEASE_DURATION,
            start=chunk.start,
        ),
        partial(
            write_outcomes,
            engine=engine,
            max_attempts=max_attempts,
            as_of=as_of,
        ),
        leases.renew,
        leases.release,
        engine=engine,
        workers=workers,
        as_of=as_of,
    )


@task(cache_policy=NO_CACHE)
def publish_summary(
    report: AnalysisReport, *, broken_chunks: int, started_at: datetime, ended_at: datetime
) -> None:
    """Publish the run's summary as the artifact `analyze-messages`."""
    create_markdown_artifact(
        summary(report, rules=RULES, broken_chunks=broken_chunks, took=ended_at - started_at),
        key="analyze-messages",
        description=f"{report.analyzed:,} of {counted(report.claimed, 'message')} analysed",
    )
