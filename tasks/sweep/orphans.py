"""Sweep a page of orphans: intent → delete → confirm, as for recordings."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from policy.sweep import Fate, judge_orphan
from schema.facts.deletion import IntendedDeletion, Orphan, SweepReport
from schema.states import DeletionReason, DeletionState
from stores.deletion import holds, ledger, orphan_queue
from tasks.deletion import guard, states_of_spared
from tasks.resources.database import in_transaction
from tasks.sweep.recordings import UNPLANNED, Delete, record_outcome


def sweep_orphans(keys: Collection[str], *, allowance: int, delete: Delete) -> SweepReport:
    """Delete the objects with these keys that are still in the orphan queue."""
    report, intended = in_transaction(_intend, keys, allowance)
    if not intended:
        return report
    return report + in_transaction(_delete, intended, delete)


def _intend(
    connection: Connection, keys: Collection[str], allowance: int
) -> tuple[SweepReport, list[str]]:
    judged = _lock_and_judge(connection, keys)
    due = judged[Fate.DELETE]
    planned = due[:allowance]
    orphan_queue.remove(connection, [orphan.storage_key for orphan in judged[Fate.IN_USE]])
    refused = [orphan.storage_key for orphan in judged[Fate.REFUSED_KEY]]
    orphan_queue.refuse(connection, {key: DEFAULT_POLICY.key_refusal(key) or "" for key in refused})
    ledger.intend(connection, [_intended_deletion(orphan) for orphan in planned])
    kept = Counter({fate.value: len(judged[fate]) for fate in (Fate.REFUSED_KEY, Fate.HELD)})
    kept[UNPLANNED] = len(due) - len(planned)
    report = SweepReport(intended=len(planned), kept=+kept)
    return report, [orphan.storage_key for orphan in planned]


def _intended_deletion(orphan: Orphan) -> IntendedDeletion:
    return IntendedDeletion(
        storage_key=orphan.storage_key,
        message_id=orphan.message_id,
        reason=DeletionReason.ORPHAN,
        size_bytes=orphan.size_bytes,
    )


def _delete(connection: Connection, keys: Collection[str], delete: Delete) -> SweepReport:
    judged = _lock_and_judge(connection, keys)
    due = {orphan.storage_key: orphan for orphan in judged[Fate.DELETE]}
    locked = [orphan.storage_key for orphans in judged.values() for orphan in orphans]
    spared = states_of_spared([key for key in locked if key not in due])
    answer = delete(list(due), guard(connection))
    # An earlier try, whose session ended before it could write so, may have deleted one to keep.
    gone = [key for key, state in spared.items() if state is DeletionState.DELETED]
    orphan_queue.remove(connection, [*answer.deleted, *gone])
    record_outcome(connection, answer, spared)
    return SweepReport(
        orphans=len(answer.deleted),
        orphan_bytes=sum(due[key].size_bytes or 0 for key in answer.deleted),
        withdrawn=len(spared),
        failed=Counter(answer.failed.values()),
        broken=str(answer.broken) if answer.broken else None,
    )


def _lock_and_judge(connection: Connection, keys: Collection[str]) -> dict[Fate, list[Orphan]]:
    """Block new holds, and lock these orphans, until the transaction ends."""
    holds.keep_out(connection)
    judged: dict[Fate, list[Orphan]] = {fate: [] for fate in Fate}
    for orphan in orphan_queue.lock(connection, keys):
        judged[judge_orphan(orphan)].append(orphan)
    return judged
