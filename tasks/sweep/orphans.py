"""One page of objects that no message refers to: intent → delete → confirm, as for recordings."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection

from policy.sweep import Fate
from schema.facts.deletion import IntendedDeletion, SweepReport
from schema.states import DeletionReason
from stores.deletion import holds, ledger, orphans
from tasks.resources.database import in_transaction
from tasks.sweep.recordings import UNPLANNED, Delete, record_outcome, refusal, states_of_spared


def sweep_orphans(keys: Collection[str], *, allowance: int, delete: Delete) -> SweepReport:
    """Delete the objects of these keys that are still in the orphans' queue."""
    report, intended = in_transaction(_intend, keys, allowance)
    if not intended:
        return report
    return report + in_transaction(_delete, intended, delete)


def _intend(
    connection: Connection, keys: Collection[str], allowance: int
) -> tuple[SweepReport, list[str]]:
    holds.keep_out(connection)
    locked = orphans.lock(connection, keys)
    # A held one stays: it is all that remembers the hold when the messages have let go.
    in_use = [orphan.storage_key for orphan in locked if orphan.in_use and not orphan.held]
    orphans.remove(connection, in_use)
    unused = [orphan for orphan in locked if not orphan.in_use]
    refused = {o.storage_key: why for o in unused if (why := refusal(o.storage_key))}
    orphans.refuse(connection, refused)
    free = [o for o in unused if not o.held and o.storage_key not in refused]
    due = free[:allowance]
    ledger.intend(
        connection,
        [
            IntendedDeletion(
                storage_key=orphan.storage_key,
                message_id=orphan.message_id,
                reason=DeletionReason.ORPHAN,
                size_bytes=orphan.size_bytes,
            )
            for orphan in due
        ],
    )
    kept = Counter({Fate.REFUSED_KEY.value: len(refused)})
    kept[Fate.HELD.value] = sum(o.held for o in unused if o.storage_key not in refused)
    kept[UNPLANNED] = len(free) - len(due)
    report = SweepReport(intended=len(due), kept=+kept)
    return report, [orphan.storage_key for orphan in due]


def _delete(connection: Connection, keys: Collection[str], delete: Delete) -> SweepReport:
    holds.keep_out(connection)
    locked = {orphan.storage_key: orphan for orphan in orphans.lock(connection, keys)}
    due = [key for key, orphan in locked.items() if not orphan.held and not orphan.in_use]
    spared = states_of_spared([key for key in locked if key not in due])
    answer = delete(due)
    orphans.remove(connection, answer.deleted)
    record_outcome(connection, answer, spared)
    return SweepReport(
        orphans=len(answer.deleted),
        orphan_bytes=sum(locked[key].size_bytes or 0 for key in answer.deleted),
        withdrawn=len(spared),
        failed=Counter(answer.failed.values()),
        broken=str(answer.broken) if answer.broken else None,
    )
