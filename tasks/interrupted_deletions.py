"""How deletions ended whose database session ended first."""

import logging
import time
from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from policy.sweep import expects_object
from schema.errors.storage import StorageError
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionState
from stores import database
from stores.deletion import holds, ledger, orphan_queue, retention
from tasks.deletion import prove_bucket, states_of_spared
from tasks.resources import storage
from tasks.resources.database import in_transaction

SAMPLED_KEYS = 20
logger = logging.getLogger(__name__)


def settle(
    doubtful: Collection[IntendedDeletion], *, after_seconds: float
) -> dict[str, DeletionState]:
    """Wait until none of these deletions can be under way; record and return how each ended.

    Args:
        doubtful: Deletions of recordings that a hold covers.
        after_seconds: How long to wait.

    Returns:
        By key: deleted, or withdrawn if the object is left. Without those that the bucket gave no
        answer about; if it did not answer or is not proven to be the right one, empty.
    """
    storage.bucket()  # missing settings show now, not after the wait
    time.sleep(after_seconds)
    states = _outcomes(doubtful)
    in_transaction(_record, doubtful, states)
    return states


def _outcomes(doubtful: Collection[IntendedDeletion]) -> dict[str, DeletionState]:
    """Ask the bucket how deletions ended; without an answer, or a proof that it is ours, leave out.

    An operator's machine may name another environment's bucket, where every object is missing.
    """
    try:
        storage.bucket().verify_marker()
        states = states_of_spared([deletion.storage_key for deletion in doubtful])
        if DeletionState.DELETED in states.values():
            now = in_transaction(database.now)
            sample = in_transaction(retention.sample_live, before=now, limit=SAMPLED_KEYS)
            prove_bucket([key for key in sample if key not in states])
    except StorageError as error:
        logger.warning("%s", error)
        return {}
    return states


def _record(
    connection: Connection,
    doubtful: Collection[IntendedDeletion],
    states: Mapping[str, DeletionState],
) -> None:
    """Record in messages, orphan queue and ledger how deletions ended; no intent is left to them.

    Messages that another session has locked are left to the next sweep.
    """
    holds.keep_out(connection)
    gone = [d for d in doubtful if states.get(d.storage_key) is DeletionState.DELETED]
    keys = [deletion.storage_key for deletion in gone]
    locked = retention.lock(connection, keys)
    ended = [recording for recording in locked.recordings if expects_object(recording)]
    unrecorded = {recording.storage_key for recording in ended}
    unrecorded.update(orphan.storage_key for orphan in orphan_queue.lock(connection, keys))
    # Again, if the intent was withdrawn before the object was gone.
    ledger.intend(connection, [d for d in gone if d.storage_key in unrecorded])
    retention.mark_deleted(connection, [r.message_id for r in ended], soft=True)
    orphan_queue.remove(connection, keys)
    ledger.finish(connection, {k: s for k, s in states.items() if k not in locked.busy})
