"""Sweep a page of recordings: intent → delete → confirm; after any crash the next run completes it.

Intent: rows are locked and judged again, their URLs cleared, and the deletions recorded in the
ledger as `intended`. Delete and confirm: a second transaction locks and judges everything once
more, deletes from the bucket while it holds the locks, and writes what the bucket confirms. So
neither a hold nor a new upload can come between the last decision and the deletion.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy.configuration import DEFAULT_POLICY
from policy.runs import MOST_REFUSED_ROWS
from policy.sweep import FAULTS, Fate, Judgement, Judgements, SweepRules, expects_object, judge
from schema.facts.deletion import IntendedDeletion, OpenIntent, Recording, SweepReport
from schema.facts.quality import BrokenRule
from schema.states import DeletionReason, DeletionState, UserTier
from schema.wording import counted
from stores.bucket.audio_bucket import DeletionReport, Guard
from stores.deletion import holds, ledger, orphan_queue, retention
from stores.quality import quarantine
from stores.quality.rules.message_columns import REFUSED_KEY
from stores.quality.rules.message_rows import READABLE_TIMES
from tasks.deletion import guard, states_of_spared
from tasks.resources.database import in_transaction, refuses_a_row

logger = logging.getLogger(__name__)

Delete = Callable[[Sequence[str], Guard], DeletionReport]

UNPLANNED = "more than was planned"
REFUSED_ROW = "refused by the database"


def sweep_recordings(
    page: Collection[Recording], rules: SweepRules, *, allowance: int, delete: Delete
) -> SweepReport:
    """Delete the due recordings of a page of expired ones.

    Args:
        page: Recordings as found without a lock.
        rules: The run's rules.
        allowance: Objects that may still be deleted in this run.
        delete: Deletes objects from the bucket by key, each request within a guard.

    Returns:
        What was done; `broken` if the bucket stopped answering or the database refused several
        rows.
    """
    try:
        return _sweep_recordings(page, rules, allowance, delete)
    except DBAPIError as error:
        if not refuses_a_row(error):
            raise
        if len(page) == 1:
            logger.warning("The database refuses a message: %s", type(error.orig).__name__)
            return SweepReport(failed=Counter({REFUSED_ROW: 1}))
    # One row that a constraint or trigger of the app refuses must not block the others.
    report = SweepReport()
    for recording in page:
        left = allowance - report.intended
        report += sweep_recordings([recording], rules, allowance=left, delete=delete)
        if report.failed[REFUSED_ROW] >= MOST_REFUSED_ROWS:
            return replace(
                report, broken=f"The database refused {counted(MOST_REFUSED_ROWS, 'message')}."
            )
    return report


def _sweep_recordings(
    page: Collection[Recording], rules: SweepRules, allowance: int, delete: Delete
) -> SweepReport:
    ids = {recording.message_id for recording in page}
    keys = {recording.storage_key for recording in page}
    report, intended = in_transaction(_intend, keys, ids, rules, allowance)
    if not intended:
        return report
    return report + in_transaction(_delete, intended, rules, delete)


def _intend(
    connection: Connection,
    keys: Collection[str],
    page_ids: Collection[str],
    rules: SweepRules,
    allowance: int,
) -> tuple[SweepReport, list[str]]:
    """Record the intended deletions, and all changes that need no bucket; return the keys."""
    judged = _lock_and_judge(connection, keys, rules)
    due = list(judged.deletions.values())
    planned = due[:allowance]
    ended = judged.with_fate(Fate.SHARED)
    extended = judged.with_fate(Fate.EXTEND)
    retention.clear_urls(
        connection, [judgement.message_id for group in planned for judgement in group]
    )
    retention.mark_deleted(connection, [j.message_id for j in ended], soft=rules.soft_delete)
    retention.set_expiry(connection, {j.message_id: j.expires_at for j in extended if j.expires_at})
    quarantine.set_aside(connection, [_refused(j) for j in judged.with_fate(Fate.REFUSED_KEY)])
    quarantine.set_aside(
        connection, [_unreadable(j) for j in judged.with_fate(Fate.UNREADABLE_TIME)]
    )
    ledger.intend(connection, [_intended_deletion(group) for group in planned])
    kept = Counter(
        judgement.fate.value
        for judgement in judged.of_recordings
        if judgement.message_id in page_ids
        and (judgement.fate is Fate.HELD or judgement.fate in FAULTS)
    )
    kept[Fate.BUSY.value] = len(judged.busy)
    kept[UNPLANNED] = len(due) - len(planned)
    report = SweepReport(
        intended=len(planned), shared=len(ended), extended=len(extended), kept=+kept
    )
    return report, [group[0].key for group in planned]


def _delete(
    connection: Connection, keys: Collection[str], rules: SweepRules, delete: Delete
) -> SweepReport:
    """Delete the intended objects that are still due; write what the bucket confirmed."""
    judged = _lock_and_judge(connection, keys, rules)
    # Their messages were deleted or changed their key: only the queue still knows these objects.
    orphan_queue.queue_intended(connection, judged.without_recording(keys))
    due = judged.deletions
    answer = delete(list(due), guard(connection))
    spared = _spare(connection, judged, rules)
    gone = [judgement.message_id for key in answer.deleted for judgement in due[key]]
    retention.mark_deleted(connection, gone, soft=rules.soft_delete)
    # Queued for a deleted message that shared the object.
    orphan_queue.remove(connection, answer.deleted)
    record_outcome(connection, answer, spared)
    deleted, deleted_bytes = Counter[UserTier](), Counter[UserTier]()
    for deletion in (_intended_deletion(due[key]) for key in answer.deleted):
        if deletion.tier is not None:
            deleted[deletion.tier] += 1
            deleted_bytes[deletion.tier] += deletion.size_bytes or 0
    return SweepReport(
        deleted=deleted,
        deleted_bytes=deleted_bytes,
        withdrawn=len(spared),
        kept=Counter({Fate.BUSY.value: len(judged.busy)} if judged.busy else {}),
        failed=Counter(answer.failed.values()),
        broken=str(answer.broken) if answer.broken else None,
    )


def _lock_and_judge(connection: Connection, keys: Collection[str], rules: SweepRules) -> Judgements:
    """Block new holds, and lock all live messages with these keys, until the transaction ends."""
    holds.keep_out(connection)
    locked = retention.lock(connection, keys)
    return judge(locked.recordings, locked.busy | orphan_queue.claimed(connection, keys), rules)


def _intended_deletion(judgements: Sequence[Judgement]) -> IntendedDeletion:
    """Return the deletion of an object, described by the last of its recordings."""
    last = judgements[-1]
    return IntendedDeletion(
        storage_key=last.key,
        message_id=last.message_id,
        reason=DeletionReason.RETENTION,
        tier=last.tier,
        size_bytes=last.recording.size_bytes,
        retention_expires_at=last.expires_at,
    )


def _refused(judgement: Judgement) -> BrokenRule:
    why = DEFAULT_POLICY.key_refusal(judgement.key) or ""
    return BrokenRule(judgement.message_id, REFUSED_KEY.name, why)


def _unreadable(judgement: Judgement) -> BrokenRule:
    why = "the message's time or its recording's expiry is no date"
    return BrokenRule(judgement.message_id, READABLE_TIMES.name, why)


def _spare(
    connection: Connection, judged: Judgements, rules: SweepRules
) -> dict[str, DeletionState]:
    """Return the final states of intents on objects to keep; mark messages whose object is gone.

    A broken run may have deleted such an object before it crashed. Only the bucket shows that, and
    a hold placed since then came too late.
    """
    spared = judged.spared
    states = states_of_spared(spared)
    gone = [
        judgement.message_id
        for key, state in states.items()
        for judgement in spared[key]
        if state is DeletionState.DELETED and expects_object(judgement.recording)
    ]
    retention.mark_deleted(connection, gone, soft=rules.soft_delete)
    return states


def settle_intents(intents: Collection[OpenIntent], rules: SweepRules) -> int:
    """End intents of broken runs on recordings that are no longer due; return how many.

    The other intents stay open, because the sweep will reach their recordings.
    """
    return in_transaction(_settle, intents, rules)


def _settle(connection: Connection, intents: Collection[OpenIntent], rules: SweepRules) -> int:
    keys = [i.storage_key for i in intents if i.reason is not DeletionReason.ERASURE]
    judged = _lock_and_judge(connection, keys, rules)
    orphan_queue.queue_intended(connection, judged.without_recording(keys))
    return ledger.finish(connection, _spare(connection, judged, rules))


def record_outcome(
    connection: Connection, answer: DeletionReport, spared: Mapping[str, DeletionState]
) -> None:
    """Record in the ledger how intents ended."""
    ledger.finish(connection, {**dict.fromkeys(answer.deleted, DeletionState.DELETED), **spared})
    ledger.note_failures(connection, answer.failed)
