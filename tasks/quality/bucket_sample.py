"""Check a sample of recordings in the bucket: does each exist, with the size its row states?"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from schema.errors.storage import InvalidKey, StorageError
from schema.facts.bucket import ObjectFacts
from schema.facts.quality import BrokenRule, SampledRecording
from schema.wording import counted
from stores.quality import object_sample
from stores.quality.rules.bucket_sample import OBJECT_IN_BUCKET, OBJECT_SIZE
from tasks.resources import storage
from tasks.resources.database import in_transaction

THREADS = 16


def broken_in_bucket(sample: Sequence[SampledRecording]) -> list[BrokenRule]:
    """Return the recordings of the sample that are missing from the bucket or differ in size.

    Raises:
        WrongBucket: If the bucket's marker is missing.
        StorageUnavailable: If the bucket does not answer.
        StorageDenied: If it refuses the credentials.
    """
    if not sample:
        return []
    storage.bucket().verify_marker()  # detects an outage with one request instead of hundreds
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            answers = list(zip(sample, threads.map(_head, sample), strict=True))
        except StorageError:
            threads.shutdown(wait=False, cancel_futures=True)  # the rest would fail too
            raise
    differing = {
        recording: difference
        for recording, facts in answers
        if (difference := _difference(recording, facts)) is not None
    }
    if not differing:
        return []
    # Read again after the bucket: a recording deleted or replaced meanwhile breaks no rule.
    unchanged = in_transaction(object_sample.still_claimed, differing)
    return [
        BrokenRule(recording.message_id, rule, observed)
        for recording, (rule, observed) in differing.items()
        if recording.message_id in unchanged
    ]


def _head(recording: SampledRecording) -> ObjectFacts | None:
    try:
        return storage.bucket().head(recording.storage_key)
    except InvalidKey:
        return None  # no object can have this key


def _difference(recording: SampledRecording, facts: ObjectFacts | None) -> tuple[str, str] | None:
    if facts is None:
        return OBJECT_IN_BUCKET.name, "no such object"
    if recording.size_bytes not in (None, facts.size_bytes):
        row, stored = counted(recording.size_bytes, "byte"), counted(facts.size_bytes, "byte")
        observed = f"row {row}, object {stored}"
        return OBJECT_SIZE.name, observed
    return None
