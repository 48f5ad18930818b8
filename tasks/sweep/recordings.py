"""One page of recordings: intent → delete → confirm; a crash anywhere converges on the next run.

Intent: under lock the decision is made again, URLs are taken back, the ledger says `intended`.
Delete and confirm: in a second transaction everything is locked and decided once more, and only
then, while the locks hold, is the bucket asked; what it confirms is written. So neither a hold nor
a new upload can slip in between the last decision and the deletion.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy.configuration import DEFAULT_POLICY
from policy.sweep import FAULTS, Fate, Judgement, Judgements, SweepRules, expects_object, judge
from schema.errors.storage import StorageDenied, StorageUnavailable
from schema.facts.deletion import IntendedDeletion, OpenIntent, Recording, SweepReport
from schema.facts.quality import BrokenRule
from schema.states import DeletionReason, DeletionState, UserTier
from stores.bucket.audio_bucket import DeletionReport
from stores.deletion import holds, ledger, orphan_queue, retention
from stores.quality import quarantine
from stores.quality.rules.message_columns import REFUSED_KEY
from tasks.resources import storage
from tasks.resources.database import in_transaction

logger = logging.getLogger(__name__)

Delete = Callable[[Sequence[str]], DeletionReport]

UNPLANNED = "more than was planned"
REFUSED_ROW = "refused by the database"
MOST_REFUSED_ROWS = 5  # of one page
# Data that is out of range, violates a constraint, or is refused by a trigger.
SQLSTATE_CLASSES_OF_A_ROW = ("22", "23", "P0")


def sweep_recordings(
    page: Collection[Recording], rules: SweepRules, *, allowance: int, delete: Delete
) -> SweepReport:
    """Delete what is due of a page of expired recordings.

    Args:
        page: As found without a lock.
        rules: Of the run.
        allowance: Objects that may still be deleted in this run.
        delete: Deletes the objects of keys from the bucket.

    Returns:
        What was done; `broken` if the bucket answered no more, or the database refused several
        rows.
    """
    try:
        return _sweep_recordings(page, rules, allowance, delete)
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None) or ""
        if not sqlstate.startswith(SQLSTATE_CLASSES_OF_A_ROW):
            raise  # the connection, a lock or a right
        if len(page) == 1:
            logger.warning("The database refuses a message: %s", type(error.orig).__name__)
            return SweepReport(failed=Counter({REFUSED_ROW: 1}))
    # A row that the app's own rules do not let us write must not keep the others from their end.
    report = SweepReport()
    for recording in page:
        left = allowance - report.intended
        report += sweep_recordings([recording], rules, allowance=left, delete=delete)
        if report.failed[REFUSED_ROW] >= MOST_REFUSED_ROWS:  # no row is at fault then
            return replace(report, broken=f"The database refused {MOST_REFUSED_ROWS} messages.")
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
    """Write down what is about to be deleted, and what needs no bucket; return those keys."""
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
    ledger.intend(connection, [_intention(group) for group in planned])
    kept = Counter(
        judgement.fate.value
        for judgement in judged.of_recordings
        if judgement.message_id in page_ids
        and (judgement.fate is Fate.HELD or judgement.fate in FAULTS)
    )
    kept[Fate.BUSY.value] = len(judged.busy)
    kept[UNPLANNED] = len(due) - len(planned)
    report = SweepReport(
        intended=len(planned), let_go=len(ended), extended=len(extended), kept=+kept
    )
    return report, [group[0].key for group in planned]


def _delete(
    connection: Connection, keys: Collection[str], rules: SweepRules, delete: Delete
) -> SweepReport:
    """Delete what is still due of what was intended; write what the bucket confirmed."""
    judged = _lock_and_judge(connection, keys, rules)
    # Their messages went, or took another key: nobody else would remember these objects.
    orphan_queue.queue_intended(connection, judged.without_recording(keys))
    due = judged.deletions
    answer = delete(list(due))
    spared = _spare(connection, judged, rules)
    gone = [judgement.message_id for key in answer.deleted for judgement in due[key]]
    retention.mark_deleted(connection, gone, soft=rules.soft_delete)
    # Of a message that shared the object and is no more.
    orphan_queue.remove(connection, answer.deleted)
    record_outcome(connection, answer, spared)
    deleted, deleted_bytes = Counter[UserTier](), Counter[UserTier]()
    for deletion in (_intention(due[key]) for key in answer.deleted):
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
    """Let no hold be placed, and lock all live messages of these keys, until the commit."""
    holds.keep_out(connection)
    locked = retention.lock(connection, keys)
    return judge(locked.recordings, locked.busy | orphan_queue.claimed(connection, keys), rules)


def _intention(judgements: Sequence[Judgement]) -> IntendedDeletion:
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


def _spare(
    connection: Connection, judged: Judgements, rules: SweepRules
) -> dict[str, DeletionState]:
    """Return how the intents on objects that are still needed end; end messages without object.

    A broken run may have deleted such an object before it died. Then the bucket alone knows, and
    whatever came later, such as a hold, came too late.
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


def states_of_spared(keys: Collection[str]) -> dict[str, DeletionState]:
    """Ask the bucket for objects that are not to be deleted; those it refuses are left out."""
    bucket = storage.bucket()
    states = {}
    for key in keys:
        try:
            there = bucket.head(key) is not None
        except StorageDenied:
            continue
        except StorageUnavailable:
            break
        states[key] = DeletionState.WITHDRAWN if there else DeletionState.DELETED
    return states


def settle_intents(intents: Collection[OpenIntent], rules: SweepRules) -> int:
    """End intents of broken runs that no longer hold; return how many.

    Those that still hold are left: their recordings are due, so the sweep comes to them.
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
    """Write into the ledger what became of intents."""
    ledger.finish(connection, {**dict.fromkeys(answer.deleted, DeletionState.DELETED), **spared})
    ledger.note_failures(connection, answer.failed)
