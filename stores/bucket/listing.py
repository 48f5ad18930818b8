"""Listing of the bucket's objects, page by page."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from schema.errors.storage import StorageUnavailable
from schema.facts.bucket import ObjectFacts
from stores.bucket.audio_bucket import AudioBucket

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

KEYS_PER_PAGE = 1000  # S3's maximum

NO_MARKER = "a truncated listing has no new continuation marker"
NOT_ASKED_FOR = "a listed key does not begin with the prefix"
ENDLESS = "a truncated listing lists nothing"
MAX_EMPTY_PAGES = 100  # in a row; a server may filter whole pages, but not for ever
_OUT_OF_ORDER = "the listed keys are not in order"
_OPERATION = "list objects"


def list_objects(
    bucket: AudioBucket, prefix: str, *, after: str | None = None
) -> Iterator[list[ObjectFacts]]:
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
    last, empty = after, 0
    while True:
        answer = bucket.ask(_OPERATION, lambda _: bucket.client.list_objects_v2(**request))
        page = [
            ObjectFacts(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))
            for entry in answer.get("Contents", [])
        ]
        empty = 0 if page else empty + 1
        if page:
            _check(page, prefix, last)
            last = page[-1].key
            yield page
        if not answer["IsTruncated"]:
            return
        if empty > MAX_EMPTY_PAGES:
            raise StorageUnavailable(_OPERATION, ENDLESS)
        token = answer.get("NextContinuationToken")
        if not token or token == request.get("ContinuationToken"):
            raise StorageUnavailable(_OPERATION, NO_MARKER)
        request["ContinuationToken"] = token


def _check(page: Sequence[ObjectFacts], prefix: str, last: str | None) -> None:
    """Raise unless the keys begin with the prefix and ascend from `last`, like their UTF-8 bytes.

    `str` sorts in the same order.
    """
    for listed in page:
        if not listed.key.startswith(prefix):
            raise StorageUnavailable(_OPERATION, NOT_ASKED_FOR)
        if last is not None and listed.key <= last:
            raise StorageUnavailable(_OPERATION, _OUT_OF_ORDER)
        last = listed.key
