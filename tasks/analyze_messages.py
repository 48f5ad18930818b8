"""Tasks of `flows/analyze_messages.py`: claim, analyse, write, report."""

from datetime import datetime

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from policy.leases import LEASE_DURATION, UNLEASED_AGE
from schema.reports import AnalysisReport
from stores import leases
from tasks import resources
from tasks.analysis_batch import analyse_all, blame_the_bucket, owner
from tasks.analysis_results import write_outcomes
from tasks.analysis_summary import summary

STALE_MESSAGES_AT_ONCE = 10_000


@task(cache_policy=NO_CACHE)
def recover_stale_messages() -> int:
    """Give back the messages whose run was killed; return how many."""
    return resources.in_transaction(
        lambda connection: leases.recover_stale(
            connection, limit=STALE_MESSAGES_AT_ONCE, unleased_age=UNLEASED_AGE
        )
    )


@task(cache_policy=NO_CACHE)
def count_waiting(limit: int, languages: list[str] | None) -> int:
    """Count the messages that can be claimed now, at most `limit`."""
    return resources.in_transaction(
        lambda connection: leases.count_waiting(connection, limit=limit, languages=languages)
    )


@task(cache_policy=NO_CACHE, task_run_name="analyze-{size}-messages")
def analyze_chunk(
    size: int,
    languages: list[str] | None,
    *,
    max_attempts: int,
    workers: int | None,
    as_of: datetime,
) -> AnalysisReport:
    """Claim up to `size` messages, analyse them, and write all results in one transaction.

    Args:
        size: Messages to claim; fewer may wait.
        languages: Only of conversations in these languages; None: all.
        max_attempts: Tries before a transient failure becomes final.
        workers: Analysis processes; None: one per core.
        as_of: Dates the analyses, UTC.

    Returns:
        What became of the claimed messages.

    Raises:
        StorageDenied: If the bucket refuses the credentials.
        StorageUnavailable: If it gives neither one of the recordings nor its marker.
        WrongBucket: If recordings are missing, and so is the bucket's marker.
        WorkerNotReady: If no analysis process can be started.
            After each of these the messages are given back, and none is charged a try.
    """
    claim = resources.in_transaction(
        lambda connection: leases.claim(
            connection,
            limit=size,
            owner=owner(),
            duration=LEASE_DURATION,
            languages=languages,
        )
    )
    if claim is None:
        return AnalysisReport()
    try:
        outcomes = analyse_all(claim, resources.analysis_workers(workers), as_of, leases.renew)
        blame_the_bucket(outcomes)
        return resources.in_transaction(
            lambda connection: write_outcomes(
                connection, claim, outcomes, max_attempts=max_attempts, as_of=as_of
            )
        )
    except BaseException:
        # Else they would wait until the lease runs out.
        resources.in_transaction(lambda connection: leases.release(connection, claim.token))
        raise


@task(cache_policy=NO_CACHE)
def publish_summary(
    report: AnalysisReport, *, broken_chunks: int, started_at: datetime, ended_at: datetime
) -> None:
    """Publish what the run did as the artifact `analyze-messages`."""
    create_markdown_artifact(
        summary(report, broken_chunks=broken_chunks, took=ended_at - started_at),
        key="analyze-messages",
        description=f"{report.analyzed} of {report.claimed} messages analysed",
    )
