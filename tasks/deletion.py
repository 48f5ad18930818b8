"""What everything that deletes shares: guarded requests, and the end of unconfirmed deletions."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from policy.deletion import REQUEST_SECONDS
from policy.sweep import is_convincing
from schema.errors.storage import StorageDenied, StorageError, UnprovenBucket
from schema.states import DeletionState
from stores.bucket.audio_bucket import AudioBucket, Guard
from stores.bucket.deadline import deadline
from stores.bucket.versions import keeps_versions, versions_of
from stores.deletion import holds
from tasks.resources import storage

logger = logging.getLogger(__name__)


def guard(connection: Connection) -> Guard:
    """Return what each request to delete runs in: locks proven just before it, and a deadline.

    Args:
        connection: In the transaction that called `holds.keep_out`.
    """
    return partial(_request, connection)


@contextmanager
def _request(connection: Connection) -> Iterator[None]:
    # The time runs from before the proof: a process that is stopped after it sends nothing later.
    with deadline(REQUEST_SECONDS):
        holds.prove_kept_out(connection)
        yield


def states_of_spared(keys: Collection[str]) -> dict[str, DeletionState]:
    """Return the final states of intents on objects to keep, by asking the bucket for each.

    Those that the bucket denies access to, and all after it stopped answering, are left out.
    """
    if not keys:
        return {}
    bucket = storage.bucket()
    states = {}
    try:
        versioned = keeps_versions(bucket)
        for key in keys:
            with suppress(StorageDenied):
                is_left = _is_left(bucket, key, versioned=versioned)
                states[key] = DeletionState.WITHDRAWN if is_left else DeletionState.DELETED
    except StorageError:
        logger.warning("The bucket did not say which objects are left.")
    return states


def _is_left(bucket: AudioBucket, key: str, *, versioned: bool) -> bool:
    if versioned:
        return any(not version.is_delete_marker for version in versions_of(bucket, [key]))
    return bucket.head(key) is not None


def prove_bucket(sample: Collection[str]) -> None:
    """Check that recordings which must exist do: S3 reports missing keys as deleted.

    Args:
        sample: Their keys. Without any, the bucket's marker alone is the proof.

    Raises:
        UnprovenBucket: If less than half of them are there.
    """
    bucket = storage.bucket()
    keys = [key for key in sample if DEFAULT_POLICY.key_refusal(key) is None]
    found = sum(bucket.head(key) is not None for key in keys)
    if keys and not is_convincing(found, len(keys)):
        raise UnprovenBucket(bucket.name, found, len(keys))
