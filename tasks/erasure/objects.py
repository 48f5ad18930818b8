"""Deleting a learner's objects, all versions of them, while no legal hold can be placed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from schema.errors.deletion import LearnerHeld
from schema.facts.deletion import ErasureReport, IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.bucket.audio_bucket import AudioBucket, DeletionReport
from stores.bucket.listing import list_objects
from stores.bucket.versions import (
    ObjectVersion,
    delete_versions,
    keeps_versions,
    list_versions,
    versions_of,
)
from stores.deletion import erasure, holds, ledger
from tasks.resources import storage
from tasks.resources.database import in_transaction

Confirm = Callable[[Connection, Collection[str]], ErasureReport]


def folder(user_id: UUID) -> str:
    """Return what the app begins the keys of a learner's recordings with."""
    return f"{DEFAULT_POLICY.key_prefix}{user_id}/"


def is_refused(key: str) -> bool:
    """Whether an object of this key is not ours to delete."""
    return DEFAULT_POLICY.key_refusal(key) is not None


def keep_holds_out(connection: Connection, user_id: UUID) -> None:
    """Let no hold be placed until the transaction ends.

    Raises:
        LearnerHeld: If one stands already.
    """
    holds.keep_out(connection)
    if held := holds.on_learner(connection, user_id):
        raise LearnerHeld(held)


def versions_under(bucket: AudioBucket, prefix: str) -> Iterator[list[ObjectVersion]]:
    """Yield what lies under a prefix by key, with all versions if the bucket keeps any.

    Servers that keep none need not know the request for versions.
    """
    if keeps_versions(bucket):
        yield from list_versions(bucket, prefix)
        return
    for page in list_objects(bucket, prefix):
        yield [ObjectVersion(found.key, "null", found.size_bytes, False) for found in page]


def erase_objects(
    user_id: UUID,
    deletions: Sequence[IntendedDeletion],
    confirm: Confirm,
    *,
    versions: Sequence[ObjectVersion] | None = None,
) -> ErasureReport:
    """Delete what is written down in the ledger, and write what the bucket confirmed.

    Objects that live messages of others refer to are let go of instead.

    Args:
        user_id: The learner.
        deletions: Each key once; intended, and committed, before.
        confirm: Writes that these keys are nobody's or gone, and counts what it wrote.
        versions: Of these keys, as `versions_under` lists them; None: not listed yet.

    Raises:
        LearnerHeld: If a hold was placed since; nothing is deleted then.
        StorageError: If the bucket does not list what it keeps; nothing is deleted then.
    """
    bucket = storage.bucket()
    if not deletions or not keeps_versions(bucket):
        versions = None
    elif versions is None:
        versions = versions_of(bucket, [d.storage_key for d in deletions])
    outcome = in_transaction(_erase, user_id, deletions, confirm, versions)
    if isinstance(outcome, LearnerHeld):
        raise outcome
    return outcome


def _erase(
    connection: Connection,
    user_id: UUID,
    deletions: Sequence[IntendedDeletion],
    confirm: Confirm,
    versions: Sequence[ObjectVersion] | None,
) -> ErasureReport | LearnerHeld:
    keys = [deletion.storage_key for deletion in deletions]
    try:
        keep_holds_out(connection, user_id)
    except LearnerHeld as error:  # returned: the withdrawals are to be committed
        # Ours alone: a sweep may be deleting the same object for a reason of its own.
        ours = ledger.intended(connection, keys, DeletionReason.ERASURE)
        ledger.finish(connection, dict.fromkeys(ours, DeletionState.WITHDRAWN))
        return error
    needed = erasure.used_by_others(connection, user_id, keys)
    doomed = [deletion for deletion in deletions if deletion.storage_key not in needed]
    # Again: an older intent of the same key, which stood in for ours, may have been withdrawn.
    ledger.intend(connection, doomed)
    answer = _delete(user_id, [deletion.storage_key for deletion in doomed], versions)
    written = confirm(connection, needed.union(answer.deleted))
    ledger.note_failures(connection, answer.failed)
    ends = dict.fromkeys(answer.deleted, DeletionState.DELETED)
    ledger.finish(connection, ends | dict.fromkeys(needed, DeletionState.WITHDRAWN))
    sizes = (
        [deletion.size_bytes or 0 for deletion in doomed if deletion.storage_key in ends]
        if versions is None
        else [version.size_bytes for version in versions if version.key in ends]
    )
    return written + ErasureReport(
        objects=len(answer.deleted),
        versions=len(sizes),
        size_bytes=sum(sizes),
        shared=len(needed),
        failed=len(answer.failed),
    )


def _delete(
    user_id: UUID, keys: Sequence[str], versions: Sequence[ObjectVersion] | None
) -> DeletionReport:
    """Delete and look again; keys of which nothing is left count as deleted."""
    bucket = storage.bucket()
    failed = {}
    if versions is None:
        # Listings may hold keys that no request for many can name.
        failed = {key: "InvalidKey" for key in keys if is_refused(key)}
        answer = bucket.delete_many([key for key in keys if key not in failed])
    else:
        wanted = set(keys)
        answer = delete_versions(bucket, [v for v in versions if v.key in wanted])
    failed.update(answer.failed)
    for key in keys:
        # The learner's folder is listed at the end; what lies elsewhere is looked at one by one.
        if not key.startswith(folder(user_id)) and key not in failed and bucket.head(key):
            failed[key] = "StillThere"
    return DeletionReport(tuple(key for key in keys if key not in failed), failed, answer.broken)
