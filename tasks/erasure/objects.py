"""Deletion of a learner's objects in all versions, while no legal hold can be placed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from schema.errors.deletion import LearnerHeld
from schema.facts.deletion import ErasureReport, IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.bucket.audio_bucket import AudioBucket, DeletionReport, Guard
from stores.bucket.listing import list_objects
from stores.bucket.versions import (
    ObjectVersion,
    delete_versions,
    keeps_versions,
    list_versions,
    versions_of,
)
from stores.deletion import erasure, holds, ledger
from tasks.deletion import guard, states_of_spared
from tasks.resources import storage
from tasks.resources.database import in_transaction

Confirm = Callable[[Connection, Collection[str]], ErasureReport]


def folder(user_id: UUID) -> str:
    """Return the prefix that the app gives the keys of a learner's recordings."""
    return f"{DEFAULT_POLICY.key_prefix}{user_id}/"


def is_refused(key: str) -> bool:
    """Whether policy forbids deleting the object with this key."""
    return DEFAULT_POLICY.key_refusal(key) is not None


def block_holds(connection: Connection, user_id: UUID) -> None:
    """Block new holds until the transaction ends.

    Raises:
        LearnerHeld: If a hold already covers the learner.
    """
    holds.keep_out(connection)
    if held := holds.on_learner(connection, user_id):
        raise LearnerHeld(held)


def versions_under(bucket: AudioBucket, prefix: str) -> Iterator[list[ObjectVersion]]:
    """Yield pages of the objects under a prefix, by key; all versions if the bucket keeps any.

    Servers without versioning may not support listing versions, so they get a plain listing.
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
    """Delete intended objects, and record what the bucket confirmed.

    Objects that live messages of other learners refer to are kept; their intents are withdrawn.

    Args:
        user_id: The learner.
        deletions: Each key once; recorded as intents in an earlier transaction.
        confirm: Writes that these keys are deleted or in use by others; counts what it wrote.
        versions: Versions of these keys, as from `versions_under`; None: not listed yet.

    Raises:
        LearnerHeld: If a hold was placed since; nothing is deleted.
        StorageError: If the bucket cannot list the versions; nothing is deleted.
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
        block_holds(connection, user_id)
    except LearnerHeld as error:  # returned, not raised, to commit the withdrawals
        # Only our own intents: a sweep may be deleting the same object. An earlier try, whose
        # session ended before it could write so, may have deleted some of them.
        states = states_of_spared(ledger.intended(connection, keys, DeletionReason.ERASURE))
        confirm(connection, {key for key, s in states.items() if s is DeletionState.DELETED})
        ledger.finish(connection, states)
        return error
    needed = erasure.used_by_others(connection, user_id, keys)
    done = _ended_earlier(connection, [key for key in keys if key not in needed])
    unneeded = [d for d in deletions if d.storage_key not in needed and d.storage_key not in done]
    ledger.intend(connection, unneeded)
    answer = _delete(
        user_id, [deletion.storage_key for deletion in unneeded], versions, guard(connection)
    )
    written = confirm(connection, needed.union(done, answer.deleted))
    control_rows = erasure.forget_keys(connection, [*done, *answer.deleted])
    written += ErasureReport(control_rows=control_rows)
    ledger.note_failures(connection, answer.failed)
    ends = dict.fromkeys(answer.deleted, DeletionState.DELETED)
    ledger.finish(connection, ends | dict.fromkeys(needed, DeletionState.WITHDRAWN))
    sizes = (
        [deletion.size_bytes or 0 for deletion in unneeded if deletion.storage_key in ends]
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


def _ended_earlier(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Return keys without an open intent or an object: an earlier try ended them unheard.

    If there still is an object, another run has withdrawn the intent, and it is intended again.
    """
    is_open = set(ledger.intended(connection, keys))
    states = states_of_spared([key for key in keys if key not in is_open])
    return {key for key, state in states.items() if state is DeletionState.DELETED}


def _delete(
    user_id: UUID, keys: Sequence[str], versions: Sequence[ObjectVersion] | None, request: Guard
) -> DeletionReport:
    """Delete and verify; keys of which nothing is left count as deleted."""
    bucket = storage.bucket()
    failed = {}
    if versions is None:
        # Listings may hold keys that DeleteObjects cannot express.
        failed = {key: "InvalidKey" for key in keys if is_refused(key)}
        answer = bucket.delete_many([key for key in keys if key not in failed], request)
    else:
        wanted = set(keys)
        answer = delete_versions(bucket, [v for v in versions if v.key in wanted], request)
    failed.update(answer.failed)
    for key in keys:
        # The learner's folder is listed again at the end; objects elsewhere are checked here.
        if not key.startswith(folder(user_id)) and key not in failed and bucket.head(key):
            failed[key] = "StillThere"
    return DeletionReport(tuple(key for key in keys if key not in failed), failed, answer.broken)
