"""One page of recordings: intent → delete → confirm; a crash anywhere converges on the next run.

Intent: under lock the decision is made again, URLs are taken back, the ledger says `intended`.
Delete and confirm: in a second transaction everything is locked and decided once more, and only
then, while the locks hold, is the bucket asked; what it confirms is written. So neither a hold nor
a new upload can slip in between the last decision and the deletion.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from policy.configuration import DEFAULT_POLICY
from policy.sweep import FAULTS, Fate, SweepRules, objects_to_delete, verdict
from schema import object_keys
from schema.errors.storage import StorageDenied, StorageUnavailable
from schema.facts.deletion import IntendedDeletion, OpenIntent, Recording, SweepReport
from schema.facts.quality import BrokenRule
from schema.states import DeletionReason, DeletionState, ProcessingState, UserTier
from stores.bucket.audio_bucket import DeletionReport
from stores.deletion import holds, ledger, orphans, retention
from stores.quality import quarantine
from stores.quality.rules.message_columns import REFUSED_KEY
from tasks.resources import storage
from tasks.resources.database import in_transaction

logger = logging.getLogger(__name__)

Delete = Callable[[Sequence[str]], DeletionReport]

BUSY = "locked or claimed by another"
UNPLANNED = "more than was planned"
REFUSED_ROW = "refused by the database"
MOST_REFUSED_ROWS = 5  # of one page
# Data that is out of range, violates a constraint, or is refused by a trigger.
SQLSTATE_CLASSES_OF_A_ROW = ("22", "23", "P0")
# In these states a message may name an object before the app has put it.
STILL_TO_COME = frozenset({ProcessingState.PENDING, ProcessingState.UPLOADING})


def refusal(key: str) -> str | None:
    """Return why an object of this key may not be deleted, or None."""
    return object_keys.refusal(key, DEFAULT_POLICY.key_prefix)


@dataclass(slots=True)
class _Judgement:
    """What is to be done about all live messages of some keys."""

    deletions: dict[str, IntendedDeletion] = field(default_factory=dict)  # by key
    messages: dict[str, list[str]] = field(default_factory=dict)  # of `deletions`, by key
    let_go: list[str] = field(default_factory=list)  # messages of objects that others need
    extended: dict[str, datetime] = field(default_factory=dict)  # message id → expiry
    refused: list[BrokenRule] = field(default_factory=list)
    fates: dict[str, Fate] = field(default_factory=dict)  # by message id
    live: dict[str, list[Recording]] = field(default_factory=dict)  # all that was locked, by key
    busy: frozenset[str] = frozenset()  # keys about which nothing can be said

    @property
    def spared(self) -> list[str]:
        """Keys whose objects are needed after all."""
        return [k for k in self.live if k not in self.deletions and k not in self.busy]

    def unused(self, keys: Collection[str]) -> list[str]:
        """Return those of the keys asked about that no live message refers to."""
        return [k for k in keys if k not in self.live and k not in self.busy]


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
    holds.keep_out(connection)
    judged = _judge(connection, keys, rules)
    unplanned = list(judged.deletions)[allowance:]
    for key in unplanned:
        del judged.deletions[key], judged.messages[key]
    retention.clear_urls(connection, [i for ids in judged.messages.values() for i in ids])
    retention.mark_deleted(connection, judged.let_go, soft=rules.soft_delete)
    retention.set_expiry(connection, judged.extended)
    quarantine.set_aside(connection, judged.refused)
    ledger.intend(connection, list(judged.deletions.values()))
    kept = Counter(
        fate.value
        for message_id, fate in judged.fates.items()
        if message_id in page_ids and (fate is Fate.HELD or fate in FAULTS)
    )
    kept[BUSY] += len(judged.busy)
    kept[UNPLANNED] += len(unplanned)
    report = SweepReport(
        intended=len(judged.deletions),
        let_go=len(judged.let_go),
        extended=len(judged.extended),
        kept=+kept,
    )
    return report, list(judged.deletions)


def _delete(
    connection: Connection, keys: Collection[str], rules: SweepRules, delete: Delete
) -> SweepReport:
    holds.keep_out(connection)
    judged = _judge(connection, keys, rules)
    # Their messages went, or took another key: nobody else would remember these objects.
    orphans.queue_intended(connection, judged.unused(keys))
    answer = delete(list(judged.deletions))
    spared = _spare(connection, judged, rules)
    gone = [i for key in answer.deleted for i in judged.messages[key]]
    retention.mark_deleted(connection, gone, soft=rules.soft_delete)
    orphans.remove(connection, answer.deleted)  # of a message that shared the object and went
    record_outcome(connection, answer, spared)
    deleted, deleted_bytes = Counter[UserTier](), Counter[UserTier]()
    for key in answer.deleted:
        deletion = judged.deletions[key]
        if deletion.tier is not None:
            deleted[deletion.tier] += 1
            deleted_bytes[deletion.tier] += deletion.size_bytes or 0
    return SweepReport(
        deleted=deleted,
        deleted_bytes=deleted_bytes,
        withdrawn=len(spared),
        kept=Counter({BUSY: len(judged.busy)} if judged.busy else {}),
        failed=Counter(answer.failed.values()),
        broken=str(answer.broken) if answer.broken else None,
    )


def _judge(connection: Connection, keys: Collection[str], rules: SweepRules) -> _Judgement:
    """Lock all live messages of these keys and decide about each."""
    locked = retention.lock(connection, keys)
    busy = locked.busy | orphans.claimed(connection, keys)
    verdicts = [(r, verdict(r, rules, refusal)) for r in locked.recordings]
    doomed = objects_to_delete((r.storage_key, v.fate) for r, v in verdicts) - busy
    judged = _Judgement(busy=busy)
    for recording, said in verdicts:
        message_id, key = recording.message_id, recording.storage_key
        judged.live.setdefault(key, []).append(recording)
        judged.fates[message_id] = said.fate
        if key in doomed:
            judged.messages.setdefault(key, []).append(message_id)
            judged.deletions[key] = IntendedDeletion(
                storage_key=key,
                message_id=message_id,
                reason=DeletionReason.RETENTION,
                tier=said.tier,
                size_bytes=recording.size_bytes,
                retention_expires_at=said.expires_at,
            )
        elif said.fate is Fate.DELETE and key not in busy:
            judged.let_go.append(message_id)
        elif said.fate is Fate.EXTEND and said.expires_at is not None:
            judged.extended[message_id] = said.expires_at
        elif said.fate is Fate.REFUSED_KEY:
            judged.refused.append(BrokenRule(message_id, REFUSED_KEY.name, refusal(key) or ""))
    return judged


def _spare(
    connection: Connection, judged: _Judgement, rules: SweepRules
) -> dict[str, DeletionState]:
    """Say how the intents on objects that are needed after all end.

    A broken run may have deleted such an object before it died. Then the bucket alone knows, and
    whatever came later, such as a hold, came too late.
    """
    states = states_of_spared(judged.spared)
    gone = [
        recording.message_id
        for key, state in states.items()
        for recording in judged.live[key]
        if state is DeletionState.DELETED and recording.processing_state not in STILL_TO_COME
    ]
    retention.mark_deleted(connection, gone, soft=rules.soft_delete)
    return states


def states_of_spared(keys: Collection[str]) -> dict[str, DeletionState]:
    """Ask the bucket for objects not to be deleted; those it does not tell of are left out."""
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
    holds.keep_out(connection)
    keys = [i.storage_key for i in intents if i.reason is not DeletionReason.ERASURE]
    judged = _judge(connection, keys, rules)
    orphans.queue_intended(connection, judged.unused(keys))
    return ledger.finish(connection, _spare(connection, judged, rules))


def record_outcome(
    connection: Connection, answer: DeletionReport, spared: Mapping[str, DeletionState]
) -> None:
    """Write into the ledger what became of intents."""
    ledger.finish(connection, {**dict.fromkeys(answer.deleted, DeletionState.DELETED), **spared})
    ledger.note_failures(connection, answer.failed)
