"""Listing of the bucket's objects, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schema.errors.storage import StorageUnavailable
from stores.bucket.audio_bucket import AudioBucket

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

KEYS_PER_PAGE = 1000  # S3's maximum

NO_MARKER = "a truncated listing has no continuation marker"
_OUT_OF_ORDER = "the listed keys are not in order"
_OPERATION = "list objects"


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a listing."""

    key: str  # not validated: any characters, up to 1,024 bytes
    size_bytes: int
    modified_at: datetime  # UTC


def list_objects(
    bucket: AudioBucket, prefix: str, *, after: str | None = None
) -> Iterator[list[ListedObject]]:
    """Yield the objects whose keys begin with `prefix`, in UTF-8 byte order of keys.

    Args:
        bucket: The bucket to list.
        prefix: Prefix of the keys.
        after: Only keys after this one, to resume an interrupted listing.

    Yields:
        Pages of 1 to 1,000 objects.

    Raises:
        StorageUnavailable: If the bucket does not answer, or if its keys are out of order, so that
            the listing could not be compared or resumed.
    """
    request: ListObjectsV2RequestTypeDef = {
        "Bucket": bucket.name,
        "Prefix": prefix,
        "MaxKeys": KEYS_PER_PAGE,
    }
    if after is not None:
        request["StartAfter"] = after
    last = after
    while True:
        answer = bucket.ask(_OPERATION, lambda _: bucket.client.list_objects_v2(**request))
        page = [
            ListedObject(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))
            for entry in answer.get("Contents", [])
        ]
        if page:
            _check_order(page, last)
            last = page[-1].key
            yield page
        if not answer["IsTruncated"]:
            return
        if "NextContinuationToken" not in answer:
            raise StorageUnavailable(_OPERATION, NO_MARKER)
        request["ContinuationToken"] = answer["NextContinuationToken"]


def _check_order(page: Sequence[ListedObject], last: str | None) -> None:
    """Raise unless the keys ascend from `last`; `str` sorts like its UTF-8 bytes."""
    for listed in page:
        if last is not None and listed.key <= last:
            raise StorageUnavailable(_OPERATION, _OUT_OF_ORDER)
        last = listed.key
