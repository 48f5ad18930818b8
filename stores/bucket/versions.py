"""Object versions: list and delete all that a versioned bucket keeps of an object.

In a bucket without versioning, each object has one version, named `null`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING

from schema.errors.storage import ObjectMissing, StorageDenied, StorageError, StorageUnavailable
from schema.object_keys import fits_xml
from stores.bucket.audio_bucket import (
    MAX_KEYS_PER_DELETE,
    AudioBucket,
    DeletionReport,
    Guard,
    deletion_batches,
)
from stores.bucket.errors import NOT_IMPLEMENTED
from stores.bucket.listing import ENDLESS, KEYS_PER_PAGE, NO_MARKER, NOT_ASKED_FOR

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectVersionsRequestTypeDef, ObjectIdentifierTypeDef

_Identifier = tuple[str, str]  # key and version id
_LIST = "list versions"


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object, or a delete marker."""

    key: str  # not validated, as in every listing
    version_id: str
    size_bytes: int  # 0 for a delete marker
    is_delete_marker: bool


def keeps_versions(bucket: AudioBucket) -> bool:
    """Return whether deleted objects may have versions left: versioning is or was enabled."""
    try:
        answer = bucket.ask(
            "return its versioning state",
            lambda _: bucket.client.get_bucket_versioning(Bucket=bucket.name),
        )
    except StorageUnavailable as error:
        if error.reason == NOT_IMPLEMENTED:
            return False
        raise
    return answer.get("Status") in {"Enabled", "Suspended"}


def list_versions(bucket: AudioBucket, prefix: str) -> Iterator[list[ObjectVersion]]:
    """Yield every version and delete marker of the keys that begin with `prefix`.

    Yields:
        Pages of 1 to 1,000, ordered by key.

    Raises:
        StorageUnavailable: If the bucket does not answer, or returns an incomplete listing.
    """
    request: ListObjectVersionsRequestTypeDef = {
        "Bucket": bucket.name,
        "Prefix": prefix,
        "MaxKeys": KEYS_PER_PAGE,
    }
    while True:
        answer = bucket.ask(_LIST, lambda _: bucket.client.list_object_versions(**request))
        page = [
            ObjectVersion(entry["Key"], entry["VersionId"], entry["Size"], False)
            for entry in answer.get("Versions", [])
        ]
        page += (
            ObjectVersion(entry["Key"], entry["VersionId"], 0, True)
            for entry in answer.get("DeleteMarkers", [])
        )
        if any(not version.key.startswith(prefix) for version in page):
            raise StorageUnavailable(_LIST, NOT_ASKED_FOR)
        if page:
            yield sorted(page, key=lambda version: version.key)
        if not answer["IsTruncated"]:
            return
        if not page:
            raise StorageUnavailable(_LIST, ENDLESS)
        key, version = answer.get("NextKeyMarker"), answer.get("NextVersionIdMarker")
        previous = request.get("KeyMarker", ""), request.get("VersionIdMarker")
        if key is None or version is None or key < previous[0] or (key, version) == previous:
            raise StorageUnavailable(_LIST, NO_MARKER)
        request["KeyMarker"], request["VersionIdMarker"] = key, version


def versions_of(bucket: AudioBucket, keys: Iterable[str]) -> list[ObjectVersion]:
    """Return every version and delete marker of exactly these keys; one request each.

    Raises:
        StorageUnavailable: If the bucket does not answer, or returns an incomplete listing.
    """
    return [version for key in keys for version in of_key(list_versions(bucket, key), key)]


def of_key(pages: Iterable[list[ObjectVersion]], key: str) -> Iterator[ObjectVersion]:
    """Yield the versions of exactly this key from a listing of keys that begin with it."""
    for page in pages:
        # The key itself sorts first.
        matching = list(takewhile(lambda version: version.key == key, page))
        yield from matching
        if len(matching) < len(page):
            return


def deletion_for_good(bucket: AudioBucket) -> Callable[[Sequence[str], Guard], DeletionReport]:
    """Return a function that deletes objects with all their versions.

    In a versioned bucket, a plain deletion only hides the recording behind a delete marker.
    """
    if not keeps_versions(bucket):
        return bucket.delete_many
    return partial(_delete_all_versions, bucket)


def _delete_all_versions(
    bucket: AudioBucket, keys: Sequence[str], guard: Guard = nullcontext
) -> DeletionReport:
    versions: list[ObjectVersion] = []
    denied: dict[str, str] = {}
    for key in keys:
        try:
            versions += versions_of(bucket, [key])
        except StorageDenied as error:  # perhaps only for this key
            denied[key] = error.code
        except StorageError as error:
            return DeletionReport((), dict.fromkeys(keys, type(error).__name__), error)
    report = delete_versions(bucket, versions, guard)
    failed = {**report.failed, **denied}
    # A key without any version counts as deleted.
    return DeletionReport(tuple(k for k in keys if k not in failed), failed, report.broken)


def delete_versions(
    bucket: AudioBucket, versions: Sequence[ObjectVersion], guard: Guard = nullcontext
) -> DeletionReport:
    """Delete versions and delete markers irreversibly, 1,000 a call.

    Returns:
        By key. A key counts as deleted if the bucket confirmed each of its given versions. As with
        `delete_many`, a call that fails as a whole ends the deletion and is reported.
    """
    wanted = list(dict.fromkeys((version.key, version.version_id) for version in versions))
    failed: dict[str, str] = {}
    broken = None
    for batch in deletion_batches(wanted, itemgetter(0), size=MAX_KEYS_PER_DELETE):
        if broken is None:
            try:
                failed.update(_unconfirmed(bucket, batch, guard))
                continue
            except StorageError as error:
                broken = error
        failed.update((key, type(broken).__name__) for key, _ in batch)
    deleted = dict.fromkeys(key for key, _ in wanted if key not in failed)
    return DeletionReport(tuple(deleted), failed, broken)


def _unconfirmed(bucket: AudioBucket, batch: Sequence[_Identifier], guard: Guard) -> dict[str, str]:
    """Delete one batch; return the error codes of keys that the bucket did not confirm."""
    if not fits_xml(batch[0][0]):
        return _delete_one(bucket, *batch[0], guard)
    objects: list[ObjectIdentifierTypeDef] = [
        {"Key": key, "VersionId": version} for key, version in batch
    ]
    answer = bucket.ask(
        "delete versions",
        lambda _: bucket.client.delete_objects(Bucket=bucket.name, Delete={"Objects": objects}),
        guard=guard,
    )
    # Counted by key: not every server repeats the versions in its answer.
    confirmed = Counter(entry["Key"] for entry in answer.get("Deleted", []))
    errors = {entry["Key"]: entry["Code"] for entry in answer.get("Errors", [])}
    return {
        key: errors.get(key, "NotConfirmed")
        for key, requested in Counter(key for key, _ in batch).items()
        if key in errors or confirmed[key] < requested
    }


def _delete_one(bucket: AudioBucket, key: str, version_id: str, guard: Guard) -> dict[str, str]:
    with suppress(ObjectMissing):  # already deleted
        bucket.ask(
            "delete a version",
            lambda _: bucket.client.delete_object(
                Bucket=bucket.name, Key=key, VersionId=version_id
            ),
            key,
            guard=guard,
        )
    return {}
