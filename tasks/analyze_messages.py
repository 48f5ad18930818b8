"""Tasks of `flows/analyze_messages.py`: claim, analyse, write, report."""

import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from policy.leases import LEASE_DURATION, UNLEASED_AGE
from schema.errors import (
    InvalidKey,
    ObjectMissing,
    ObjectTooLarge,
    StorageDenied,
    StorageUnavailable,
)
from schema.reports import AnalysisReport
from schema.states import FailureCause
from schema.values import Claim, ClaimedMessage
from speech.waveform import MAX_BYTES
from stores import leases
from tasks import resources
from tasks.analysis_results import write_outcomes
from tasks.analysis_summary import summary
from tasks.analysis_workers import AnalysisWorkers, NotAnalysed, Outcome

STALE_MESSAGES_AT_ONCE = 10_000
RENEWAL_SECONDS = LEASE_DURATION.total_seconds() / 3
# Downloads and waiting per worker: enough to keep it busy, few enough to hold little audio.
CLIPS_PER_WORKER_IN_FLIGHT = 4


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
            owner=f"{socket.gethostname()}:{os.getpid()}",
            duration=LEASE_DURATION,
            languages=languages,
        )
    )
    if claim is None:
        return AnalysisReport()
    try:
        outcomes = _analyse_all(claim, resources.analysis_workers(workers), as_of)
        _blame_the_bucket(outcomes)
        return resources.in_transaction(
            lambda connection: write_outcomes(
                connection, claim, outcomes, max_attempts=max_attempts, as_of=as_of
            )
        )
    except BaseException:
        # Else they would wait until the lease runs out.
        resources.in_transaction(lambda connection: leases.release(connection, claim.token))
        raise


def _analyse_all(claim: Claim, workers: AnalysisWorkers, as_of: datetime) -> dict[str, Outcome]:
    """Download and analyse every message of the claim, keeping its lease alive."""
    outcomes: dict[str, Outcome] = {}
    renewed_at = time.monotonic()
    with ThreadPoolExecutor(workers.count * CLIPS_PER_WORKER_IN_FLIGHT) as threads:
        futures = {
            threads.submit(_analyse_one, message, workers, as_of): message
            for message in claim.messages
        }
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, RENEWAL_SECONDS / 2, FIRST_COMPLETED)
                outcomes |= {futures[future].message_id: future.result() for future in done}
                if time.monotonic() - renewed_at > RENEWAL_SECONDS:
                    resources.in_transaction(
                        lambda connection: leases.renew(connection, claim.token, LEASE_DURATION)
                    )
                    renewed_at = time.monotonic()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def _analyse_one(message: ClaimedMessage, workers: AnalysisWorkers, as_of: datetime) -> Outcome:
    try:
        audio = resources.bucket().get(message.storage_key, max_bytes=MAX_BYTES)
    except (ObjectMissing, InvalidKey) as error:
        return NotAnalysed(FailureCause.OBJECT_MISSING, str(error))
    except ObjectTooLarge as error:
        return NotAnalysed(FailureCause.TOO_LONG, str(error))
    except StorageUnavailable as error:
        return NotAnalysed(FailureCause.STORAGE_UNAVAILABLE, str(error))
    except StorageDenied as error:
        return NotAnalysed(FailureCause.STORAGE_DENIED, str(error))
    return workers.analyse(message, audio, as_of=as_of)


def _blame_the_bucket(outcomes: Mapping[str, Outcome]) -> None:
    """Raise if the bucket as a whole is at fault, so that no message is charged for it.

    One recording that is missing, refused or unreadable looks like the wrong bucket, wrong
    credentials or an outage. The marker tells: where it can be read, the recordings are at fault.
    """
    causes = [
        outcome.cause if isinstance(outcome, NotAnalysed) else None for outcome in outcomes.values()
    ]
    if (
        FailureCause.OBJECT_MISSING in causes
        or FailureCause.STORAGE_DENIED in causes
        or all(cause is FailureCause.STORAGE_UNAVAILABLE for cause in causes)
    ):
        resources.bucket().verify_marker()


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
