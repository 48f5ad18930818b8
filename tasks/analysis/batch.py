"""What is done with claimed messages, whoever claimed them: download, analyse, find the guilty."""

import os
import socket
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from policy.leases import LEASE_DURATION
from schema.errors.storage import (
    InvalidKey,
    ObjectMissing,
    ObjectTooLarge,
    StorageDenied,
    StorageUnavailable,
)
from schema.facts.analysis import Claim, ClaimedMessage
from schema.facts.backfill import BackfillClaim
from schema.states import FailureCause
from speech.engine import LANGUAGES, primary_language
from speech.waveform import MAX_BYTES
from tasks.analysis.workers import AnalysisWorkers, NotAnalysed, Outcome
from tasks.resources import storage
from tasks.resources.database import in_transaction

RENEWAL_SECONDS = LEASE_DURATION.total_seconds() / 3
# Downloads and waiting per worker: enough to keep it busy, few enough to hold little audio.
CLIPS_PER_WORKER_IN_FLIGHT = 4

Renew = Callable[[Connection, UUID, timedelta], int]


def owner() -> str:
    """Return who claims, for people: this machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def covered_languages(asked: Collection[str] | None) -> list[str]:
    """Return those languages that the engine of this machine knows, of the asked ones if any are.

    What nobody can analyse yet goes on waiting: it is not claimed.
    """
    wanted = LANGUAGES if asked is None else {primary_language(language) for language in asked}
    return [language for language in LANGUAGES if language in wanted]


def analyse_all(
    claim: Claim | BackfillClaim, workers: AnalysisWorkers, as_of: datetime, renew: Renew
) -> dict[str, Outcome]:
    """Download and analyse every message of the claim, keeping its lease alive.

    Args:
        claim: The messages.
        workers: This process's.
        as_of: Dates the analyses, UTC.
        renew: Lets the lease of a token last so long from now.
    """
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
                    in_transaction(renew, claim.token, LEASE_DURATION)
                    renewed_at = time.monotonic()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def _analyse_one(message: ClaimedMessage, workers: AnalysisWorkers, as_of: datetime) -> Outcome:
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
    return workers.analyse(message, audio, as_of=as_of)


def blame_the_bucket(outcomes: Mapping[str, Outcome]) -> None:
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
        storage.bucket().verify_marker()
