"""Analyse a chunk of a backfill: claim, analyse, write, as the live pipeline does."""

from datetime import datetime
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from policy.leases import LEASE_DURATION
from schema.errors.backfill import BackfillClosed, BackfillUnknown, EngineChanged
from schema.facts.analysis import AnalysisReport, EngineRelease
from schema.facts.backfill import Backfill
from schema.states import AnalysisEngine
from stores.backfill import backfills, leases
from tasks.analysis.batch import owner, work_off
from tasks.analysis.engines import installed_release
from tasks.backfill.results import write_backfill_outcomes
from tasks.resources.database import in_transaction


def require_backfill(backfill_id: int) -> Backfill:
    """Return a backfill in any state.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
    """
    found = in_transaction(backfills.get, backfill_id)
    if found is None:
        raise BackfillUnknown(backfill_id)
    return found


def open_backfill(backfill_id: int) -> Backfill:
    """Return a backfill that this machine may continue.

    Raises:
        BackfillUnknown: If there is no backfill with this number.
        BackfillClosed: If it was undone or released.
        EngineChanged: If another version of the engine is installed.
    """
    found = require_backfill(backfill_id)
    if found.undone:
        raise BackfillClosed(backfill_id, "was undone")
    if found.released:
        raise BackfillClosed(backfill_id, "was released")
    release_for(found)
    return found


def release_for(backfill: Backfill) -> EngineRelease:
    """Return the installed release that a backfill requires.

    Raises:
        EngineChanged: If another version of its engine is installed.
    """
    try:
        engine = AnalysisEngine(backfill.engine)
    except ValueError:
        raise EngineChanged(backfill.id, backfill.engine_version, "no such engine") from None
    installed = installed_release(engine)
    if backfill.engine_version != str(installed):
        raise EngineChanged(backfill.id, backfill.engine_version, str(installed))
    return installed


@task(cache_policy=NO_CACHE, task_run_name="backfill-{backfill_id}-{size}-messages")
def analyze_backfill_chunk(
    backfill_id: int,
    size: int,
    *,
    canary: bool,
    max_attempts: int,
    workers: int | None,
    as_of: datetime,
) -> AnalysisReport:
    """Claim up to `size` messages of a backfill, analyse them, and write all in one transaction.

    Args:
        backfill_id: Number of the backfill.
        size: Maximum number of messages to claim.
        canary: Claim only messages of the first sample.
        max_attempts: Attempts before a transient failure becomes final.
        workers: Analysis processes; None: one per core.
        as_of: Timestamp of the analyses, UTC.

    Returns:
        Counts of the claimed messages by outcome; all zero if the backfill is stopped.

    Raises:
        EngineChanged: If another version of the engine is installed; nothing is claimed.
        StorageDenied, StorageUnavailable, WrongBucket, WorkerNotReady: As in `work_off`; the
            messages return to the queue, and no attempt is counted.
    """
    # The task may run on another machine than the flow.
    release = release_for(require_backfill(backfill_id))
    return work_off(
        partial(
            leases.claim,
            backfill_id=backfill_id,
            release=release,
            limit=size,
            owner=owner(),
            duration=LEASE_DURATION,
            canary=canary,
        ),
        partial(write_backfill_outcomes, release=release, max_attempts=max_attempts, as_of=as_of),
        leases.renew,
        leases.release,
        engine=AnalysisEngine(release.engine),
        workers=workers,
        as_of=as_of,
    )
