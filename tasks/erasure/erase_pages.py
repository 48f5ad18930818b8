"""Pages of an erasure: intent → delete → confirm; after any crash the next run completes them.

Rows are erased together with the intent. That an object is deleted is written only once the bucket
has confirmed it.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Connection

from schema.facts.deletion import ErasureReport, IntendedDeletion, LearnerRecording
from schema.states import DeletionReason
from stores import findings
from stores.bucket.versions import ObjectVersion
from stores.deletion import erasure, learner_messages, ledger, orphan_queue
from tasks.erasure.learner_data import rows_counted
from tasks.erasure.objects import block_holds, erase_objects, is_refused
from tasks.resources.database import in_transaction


def erase_page(user_id: UUID, message_ids: Sequence[str]) -> ErasureReport:
    """Erase the recordings of some messages, and all data derived from them."""
    report, deletions = in_transaction(_erase_rows, user_id, message_ids)

    def confirm(connection: Connection, keys: Collection[str]) -> ErasureReport:
        ended = [
            recording.message_id
            for recording in learner_messages.recordings(connection, message_ids)
            if recording.storage_key is None or recording.storage_key in keys
        ]
        return ErasureReport(messages=learner_messages.confirm(connection, ended))

    return report + erase_objects(user_id, deletions, confirm)


def _erase_rows(
    connection: Connection, user_id: UUID, message_ids: Sequence[str]
) -> tuple[ErasureReport, list[IntendedDeletion]]:
    """Erase the rows, and record in the ledger which objects are about to be deleted."""
    block_holds(connection, user_id)
    recordings = learner_messages.recordings(connection, message_ids)
    counted = rows_counted(learner_messages.silence(connection, message_ids))
    counted += ErasureReport(control_rows=findings.forget(connection, message_ids))
    deletions = {
        recording.storage_key: _intended_deletion(recording.storage_key, recording)
        for recording in recordings
        if recording.storage_key is not None and not is_refused(recording.storage_key)
    }
    ledger.intend(connection, list(deletions.values()))
    refused = sum(
        recording.storage_key is not None and is_refused(recording.storage_key)
        for recording in recordings
    )
    return counted + ErasureReport(refused=refused), list(deletions.values())


def _intended_deletion(key: str, recording: LearnerRecording) -> IntendedDeletion:
    return IntendedDeletion(
        key,
        recording.message_id,
        DeletionReason.ERASURE,
        size_bytes=recording.size_bytes,
        retention_expires_at=recording.retention_expires_at,
    )


def erase_orphans(user_id: UUID, queued: Sequence[IntendedDeletion]) -> ErasureReport:
    """Erase queued objects of messages that the app has deleted."""
    deletions = [deletion for deletion in queued if not is_refused(deletion.storage_key)]

    def confirm(connection: Connection, keys: Collection[str]) -> ErasureReport:
        orphan_queue.remove(connection, list(keys))
        return ErasureReport(orphans=len(keys), refused=len(queued) - len(deletions))

    _intend(user_id, deletions)
    return erase_objects(user_id, deletions, confirm)


def erase_versions(user_id: UUID, versions: Sequence[ObjectVersion]) -> ErasureReport:
    """Erase a page of the learner's folder; an object on two pages is counted twice."""
    sizes: Counter[str] = Counter()
    for version in versions:
        sizes[version.key] += version.size_bytes
    needed = in_transaction(erasure.used_by_others, user_id, sizes.keys())
    deletions = [
        IntendedDeletion(key, None, DeletionReason.ERASURE, size_bytes=size)
        for key, size in sizes.items()
        if key not in needed
    ]
    _intend(user_id, deletions)
    return erase_objects(user_id, deletions, lambda *_: ErasureReport(), versions=versions)


def _intend(user_id: UUID, deletions: Sequence[IntendedDeletion]) -> None:
    def work(connection: Connection) -> None:
        block_holds(connection, user_id)
        ledger.intend(connection, deletions)

    in_transaction(work)
