"""Tasks of `flows/sweep_retention.py`: lock, settle broken runs, sweep in chunks, report."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy.instants import is_readable
from policy.retention import effective_expiry, owner_tier
from policy.sweep import SweepRules
from reports.sweep import due_of_live, plan_summary, sweep_summary
from schema.errors.storage import StorageError
from schema.facts.deletion import SweepPlan, SweepReport
from schema.wording import counted
from stores.bucket.versions import deletion_for_good
from stores.deletion import ledger, orphan_queue, retention
from stores.deletion.retention import Position
from stores.quality import quarantine
from tasks.resources import database, storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages
from tasks.sweep.orphans import sweep_orphans
from tasks.sweep.planning import kept_unreadable
from tasks.sweep.recordings import Delete, settle_intents, sweep_recordings

ROWS_AT_ONCE = 1000  # where the bucket is not involved
ARTIFACT = "sweep-retention"
OVERDUE_EVENT = "kaiwa.audio.overdue"


@contextmanager
def sole_sweep() -> Iterator[bool]:
    """Hold the sweep's advisory lock; yield False if another sweep is running.

    The lock only saves duplicate work. Safety comes from row locks, and from one intent per object.
    """
    with database.engine().connect() as connection:
        try:
            yield retention.try_lock_sweep(connection)
        finally:
            with suppress(DBAPIError):  # its session may have ended long ago
                connection.rollback()


@task(cache_policy=NO_CACHE)
def settle_broken_runs(rules: SweepRules) -> int:
    """End the intents of broken runs on objects that are no longer due; return how many."""
    intents = pages(
        lambda connection, id_: ledger.open_intents(connection, after_id=id_, limit=ROWS_AT_ONCE),
        0,
        lambda intent: intent.id,
    )
    return sum(settle_intents(page, rules) for page in intents)


@dataclass(frozen=True, slots=True)
class SweepCursor:
    """Where a sweep continues, and how much it may still delete; a position of None: finished."""

    allowance: int  # objects that may still be deleted; never more than planned
    recordings: Position | None = retention.BEGINNING
    orphans: str | None = ""

    @property
    def ended(self) -> bool:
        """Whether both recordings and orphans are finished."""
        return self.recordings is None and self.orphans is None


@task(cache_policy=NO_CACHE)
def sweep_chunk(
    cursor: SweepCursor, rules: SweepRules, *, page_size: int, pages: int
) -> tuple[SweepReport, SweepCursor]:
    """Sweep up to `pages` pages: recordings first, then orphans.

    Args:
        cursor: Returned by the previous chunk.
        rules: The run's rules.
        page_size: Rows per page.
        pages: Pages in this chunk.

    Returns:
        What was done, and where to continue; `broken` in the report ends the sweep.
    """
    report = SweepReport()
    try:
        delete = deletion_for_good(storage.bucket())
    except StorageError as error:
        return SweepReport(broken=str(error)), cursor
    for _ in range(pages):
        if cursor.ended or report.broken:
            break
        if cursor.recordings is not None:
            done, cursor = _sweep_recordings_page(
                cursor, cursor.recordings, rules, page_size, delete
            )
        else:
            done, cursor = _sweep_orphans_page(cursor, cursor.orphans or "", page_size, delete)
        report += done
        cursor = replace(cursor, allowance=cursor.allowance - done.intended)
    return report, cursor


def _sweep_recordings_page(
    cursor: SweepCursor, after: Position, rules: SweepRules, limit: int, delete: Delete
) -> tuple[SweepReport, SweepCursor]:
    page = in_transaction(
        retention.find_expired, before=rules.newest_expiry, after=after, limit=limit
    )
    if not page:
        return SweepReport(), replace(cursor, recordings=None)
    report = sweep_recordings(page, rules, allowance=cursor.allowance, delete=delete)
    return report, replace(cursor, recordings=retention.position_of(page[-1]))


def _sweep_orphans_page(
    cursor: SweepCursor, after: str, limit: int, delete: Delete
) -> tuple[SweepReport, SweepCursor]:
    page = in_transaction(orphan_queue.find, after=after, limit=limit)
    if not page:
        return SweepReport(), replace(cursor, orphans=None)
    keys = [orphan.storage_key for orphan in page]
    report = sweep_orphans(keys, allowance=cursor.allowance, delete=delete)
    return report, replace(cursor, orphans=keys[-1])


@task(cache_policy=NO_CACHE)
def set_unreadable_aside() -> SweepReport:
    """Quarantine the recordings whose expiry is no date; return how many there are."""
    unreadable = in_transaction(retention.count_unreadable)
    if unreadable.recordings:
        in_transaction(quarantine.set_aside_unreadable)
    return SweepReport(kept=kept_unreadable(unreadable))


@task(cache_policy=NO_CACHE)
def set_missing_expiries() -> int:
    """Set missing retention expiries from owner's tier and creation time; return how many.

    This is the last step, so that none of these recordings is deleted in the same run.
    """
    written = pages(_set_expiries, "", lambda row: row[0])
    return sum(changed for page in written for _, changed in page)


def _set_expiries(connection: Connection, after_id: str) -> list[tuple[str, bool]]:
    """Set the expiries of a page; return its message ids, and whether each was changed."""
    found = retention.lock_without_expiry(connection, after_id=after_id, limit=ROWS_AT_ONCE)
    expiries = {}
    for recording in found:
        tier = owner_tier(
            recording.role, has_user=recording.has_user, current_tier=recording.current_tier
        )
        if tier is not None and is_readable(recording.created_at):
            expiries[recording.message_id] = effective_expiry(None, tier, recording.created_at)
    retention.set_expiry(connection, expiries)
    return [(r.message_id, r.message_id in expiries) for r in found]


@task(cache_policy=NO_CACHE)
def publish_plan(plan: SweepPlan) -> None:
    """Publish the plan of a sweep as the artifact `sweep-retention`."""
    create_markdown_artifact(
        plan_summary(plan),
        key=ARTIFACT,
        description=due_of_live(plan),
    )


@task(cache_policy=NO_CACHE)
def publish_report(
    report: SweepReport, *, left: SweepPlan, withdrawn: int, took: timedelta, waited: timedelta
) -> None:
    """Publish the report of a sweep as the artifact `sweep-retention`.

    `waited` is the part of the duration `took` that was spent waiting for approval.
    """
    head = in_transaction(ledger.head)
    create_markdown_artifact(
        sweep_summary(report, left=left, withdrawn=withdrawn, took=took, waited=waited)
        + f"\nHead of the deletion ledger: `{head}`\n",
        key=ARTIFACT,
        description=f"{counted(report.objects, 'object')} deleted, {left.objects:,} still due",
    )


@task(cache_policy=NO_CACHE)
def raise_alarm(plan: SweepPlan) -> None:
    """Emit the event `kaiwa.audio.overdue` if audio is overdue for deletion.

    Its payload: `overdue` (recordings), `oldest_due_at` (ISO, UTC), `kept` (counts by reason).
    """
    if plan.overdue:
        emit_event(
            OVERDUE_EVENT,
            resource={"prefect.resource.id": "kaiwa.audio", "prefect.resource.name": "audio"},
            payload={
                "overdue": plan.overdue,
                "oldest_due_at": plan.oldest_due_at and plan.oldest_due_at.isoformat(),
                "kept": dict(plan.kept),
            },
        )
