"""Process a claim of messages: download, analyse, write; release the claim on failure."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy.leases import LEASE_DURATION
from policy.runs import MOST_REFUSED_ROWS
from schema.errors.base import DatabaseRefused
from schema.errors.storage import (
    InvalidKey,
    ObjectMissing,
    ObjectTooLarge,
    StorageDenied,
    StorageUnavailable,
)
from schema.facts.analysis import AnalysisReport, Claim, ClaimedMessage
from schema.facts.backfill import BackfillClaim
from schema.states import AnalysisEngine, FailureCause
from speech.waveform import MAX_BYTES
from tasks.analysis import pool
from tasks.analysis.workers import AnalysisWorkers, NotAnalysed, Outcome, conversation_of
from tasks.resources import stopping, storage
from tasks.resources.database import in_transaction, once, refuses_a_row

RENEWAL_SECONDS = LEASE_DURATION.total_seconds() / 3
LONGEST_WAIT_SECONDS = 0.5  # until a stopped run is noticed
# Clips downloading or queued per worker: enough to keep it busy, few enough to save memory.
CLIPS_PER_WORKER_IN_FLIGHT = 4
# Enough to suspect the bucket, before every recording of a chunk has taken its whole time.
FIRST_OUTCOMES = 8
# An outage of the bucket, and what answers in its place, look like this.
CAUSES_OF_OUTAGES = frozenset({FailureCause.STORAGE_UNAVAILABLE, FailureCause.UNDECODABLE})
_WRITE = "write analyses"

C = TypeVar("C", Claim, BackfillClaim)
C_co = TypeVar("C_co", covariant=True)
logger = logging.getLogger(__name__)


class ClaimUnder(Protocol[C_co]):
    """Claims messages under the lease with this token."""

    def __call__(self, connection: Connection, /, *, token: UUID) -> C_co | None:
        """Claim; return None if there is nothing to claim."""


Renew = Callable[[Connection, UUID, timedelta], int]
Release = Callable[[Connection, UUID], int]


def owner() -> str:
    """Return the lease owner's name for this process: its host name and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def work_off(
    claim: ClaimUnder[C],
    write: Callable[[Connection, C, Mapping[str, Outcome]], AnalysisReport],
    renew: Renew,
    release: Release,
    *,
    engine: AnalysisEngine,
    workers: int | None,
    as_of: datetime,
) -> AnalysisReport:
    """Claim messages, analyse them, and write all outcomes in one transaction.

    Args:
        claim: Claims messages under a lease with a given token; returns None if there are none.
        write: Writes and counts the outcomes, by message id, of messages whose lease still holds.
        renew: Extends the lease with a given token by a duration.
        release: Returns messages still held under a token to the queue.
        engine: The engine that analyses them.
        workers: Analysis processes; None: one per core.
        as_of: Timestamp of the analyses, UTC.

    Returns:
        Counts of the claimed messages by outcome.

    Raises:
        StorageDenied: If the bucket refuses the credentials.
        StorageUnavailable: If neither most recordings nor the bucket's marker can be read.
        WrongBucket: If recordings are missing, and so is the bucket's marker.
        WorkerNotReady: If no analysis process can be started.
        RunStopped: If the run was stopped.
        DatabaseRefused: If the database refuses many analyses, or to let a message fail. The others
            are written.
            After each of these the messages return to the queue, and no attempt is counted.
    """
    claimed = in_transaction(_claim_anew, claim, release, uuid4())
    if claimed is None:
        return AnalysisReport()
    try:
        outcomes = analyse_all(claimed, pool.analysis_workers(workers, engine), as_of, renew)
        raise_for_bucket(outcomes)
        report = _write_all(write, claimed, outcomes)
        if report.lost:
            in_transaction(release, claimed.token)
    except BaseException:
        # Otherwise the messages would wait until the lease expires.
        _give_back(release, claimed.token)
        raise
    return report


def _claim_anew(
    connection: Connection, claim: ClaimUnder[C], release: Release, token: UUID
) -> C | None:
    """Claim; first release what an attempt claimed whose answer was lost.

    Otherwise nobody would analyse these messages until the lease expires.
    """
    release(connection, token)
    return claim(connection, token=token)


def _give_back(release: Release, token: UUID) -> None:
    """Release a claim; a stopped run has no time to wait for a database that is away."""
    if stopping.is_requested():
        once(release, token)
    else:
        in_transaction(release, token)


def _write_all(
    write: Callable[[Connection, C, Mapping[str, Outcome]], AnalysisReport],
    claim: C,
    outcomes: Mapping[str, Outcome],
) -> AnalysisReport:
    """Write a claim's outcomes; if the database refuses one of them, write each by itself.

    Messages whose analysis is refused fail, unless they are too many for a problem of single rows.

    Raises:
        DatabaseRefused: If they are too many, or if the database refuses to let one fail.
            Everything else is written.
    """
    try:
        return in_transaction(write, claim, outcomes)
    except DBAPIError as error:
        if not refuses_a_row(error):
            raise
    report = AnalysisReport()
    refused: list[tuple[C, str | None]] = []
    for alone in _each_alone(claim):
        try:
            report += in_transaction(write, alone, outcomes)
        except DBAPIError as error:
            if not refuses_a_row(error):
                raise
            refused.append((alone, getattr(error.orig, "sqlstate", None)))
    if len(refused) > MOST_REFUSED_ROWS:
        raise DatabaseRefused(_WRITE, refused[0][1])
    for alone, sqlstate in refused:
        report += _write_refused(write, alone, sqlstate)
    return report


def _each_alone(claim: C) -> list[C]:
    """Split a claim; messages that a backfill has passed over are counted with the first."""
    alone = [replace(claim, messages=(message,)) for message in claim.messages]
    if isinstance(claim, BackfillClaim):
        return alone[:1] + [replace(one, passed_over=0) for one in alone[1:]]
    return alone


def _write_refused(
    write: Callable[[Connection, C, Mapping[str, Outcome]], AnalysisReport],
    claim: C,
    sqlstate: str | None,
) -> AnalysisReport:
    (message,) = claim.messages
    logger.warning("The database refuses message %r (SQLSTATE %s)", message.message_id, sqlstate)
    reason = (
        f"The database refused the analysis (SQLSTATE {sqlstate}). Once the cause is fixed, set "
        "the state back to 'uploaded'."
    )
    failed = {message.message_id: NotAnalysed(FailureCause.NOT_STORABLE, reason)}
    refusal = None
    try:
        return in_transaction(write, claim, failed)
    except DBAPIError as error:
        if not refuses_a_row(error):
            raise
        refusal = DatabaseRefused(_WRITE, getattr(error.orig, "sqlstate", None))
    raise refusal  # outside, because the database's own error quotes the row


def analyse_all(
    claim: Claim | BackfillClaim, workers: AnalysisWorkers, as_of: datetime, renew: Renew
) -> dict[str, Outcome]:
    """Download and analyse every message of a claim; renew its lease meanwhile.

    Args:
        claim: The messages.
        workers: The analysis processes.
        as_of: Timestamp of the analyses, UTC.
        renew: Extends the lease with a given token by a duration.

    Raises:
        StorageError: If the first outcomes are an outage of the bucket.
    """
    outcomes: dict[str, Outcome] = {}
    renewed_at = time.monotonic()
    is_judged = False
    threads = ThreadPoolExecutor(workers.count * CLIPS_PER_WORKER_IN_FLIGHT)
    try:
        futures = {
            threads.submit(_analyse_one, message, workers, as_of): message
            # Each conversation gets a process of its own, so the fewer changes the better.
            for message in sorted(claim.messages, key=_conversation)
        }
        pending = set(futures)
        while pending:
            done, pending = wait(pending, LONGEST_WAIT_SECONDS, FIRST_COMPLETED)
            stopping.raise_if_requested()
            outcomes |= {futures[future].message_id: future.result() for future in done}
            if len(outcomes) >= FIRST_OUTCOMES and not is_judged:
                raise_for_bucket(outcomes)
                is_judged = True
            if time.monotonic() - renewed_at > RENEWAL_SECONDS:
                in_transaction(renew, claim.token, LEASE_DURATION)
                renewed_at = time.monotonic()
    except BaseException:
        # Nobody waits for slow downloads and analyses of a run that has failed or was stopped.
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    threads.shutdown()
    return outcomes


def _conversation(message: ClaimedMessage) -> str:
    return conversation_of(message.storage_key)


def _analyse_one(message: ClaimedMessage, workers: AnalysisWorkers, as_of: datetime) -> Outcome:
    stopping.raise_if_requested()
    try:
        audio = storage.bucket().get(message.storage_key, max_bytes=MAX_BYTES)
    except (ObjectMissing, InvalidKey) as error:
        return NotAnalysed(FailureCause.OBJECT_MISSING, str(error))
    except ObjectTooLarge as error:
        return NotAnalysed(FailureCause.TOO_LONG, str(error))
    except StorageUnavailable as error:
        return NotAnalysed(FailureCause.STORAGE_UNAVAILABLE, str(error))
    except StorageDenied as error:
        return NotAnalysed(FailureCause.STORAGE_DENIED, str(error))
    stopping.raise_if_requested()
    return workers.analyse(message, audio, as_of=as_of)


def raise_for_bucket(outcomes: Mapping[str, Outcome]) -> None:
    """Raise if the failures are the bucket's, so that no attempt is counted against a message.

    A missing, refused or unreadable recording may mean the wrong bucket, wrong credentials or an
    outage; so may many that are no audio, for a proxy answers in the same way for all. If the
    bucket's marker can be read, the recordings themselves are at fault.
    """
    causes = [outcome.cause for outcome in outcomes.values() if isinstance(outcome, NotAnalysed)]
    suspicious = sum(cause in CAUSES_OF_OUTAGES for cause in causes)
    if (
        FailureCause.OBJECT_MISSING in causes
        or FailureCause.STORAGE_DENIED in causes
        or 2 * suspicious >= len(outcomes)
    ):
        storage.bucket().verify_marker()
