"""The audio bucket: any S3-compatible store, through boto3."""

import base64
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import IncompleteReadError

from schema.errors.storage import ObjectMissing, ObjectTooLarge, StorageError, WrongBucket
from schema.facts.bucket import ObjectFacts
from schema.object_keys import checked_key, fits_xml
from stores.bucket.access import DEFAULT_REGION, BucketAccess
from stores.bucket.errors import BROKEN_BODY, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

T = TypeVar("T")
MAX_KEYS_PER_DELETE = 1000

# S3 reports missing keys as deleted, so in a wrong bucket every deletion seems to succeed. The
# marker object tells buckets apart.
MARKER_KEY = ".kaiwa-audio"
_MARKER = b"This bucket holds the audio of Kaiwa's learners; `kaiwa-audio storage init` made it.\n"

# botocore retries requests, but not a body that breaks off.
_PAUSES_BEFORE_BODY_RETRY_SECONDS = (0.2, 0.8, 3.2)

_REGIONS_WITHOUT_CONSTRAINT = {DEFAULT_REGION, "auto"}  # us-east-1 rejects one; Tigris chooses


@dataclass(frozen=True, slots=True)
class DeletionReport:
    """Outcome of one `delete_many`: each key is either in `deleted` or in `failed`."""

    deleted: tuple[str, ...]  # confirmed by the bucket; includes keys that did not exist
    failed: Mapping[str, str]  # key → the bucket's error code, or the class name of `broken`
    broken: StorageError | None = None  # a call that failed as a whole; the last one made


@dataclass(frozen=True, slots=True)
class MarkerReport:
    """What `create_with_marker` did."""

    bucket_created: bool
    marker_written: bool


@dataclass(frozen=True, slots=True)
class AudioBucket:
    """One bucket; thread-safe, but not to be shared between processes."""

    name: str
    client: "S3Client"

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store an object, replacing an existing one; its MD5 protects the transfer."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        with self._translated("put an object", checked_key(key)):
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=data,
                ContentType=content_type,
                ContentMD5=base64.b64encode(digest).decode(),
            )

    def get(self, key: str, *, max_bytes: int) -> bytes:
        """Return all bytes of an object.

        Raises:
            ObjectMissing: If the bucket has no such key.
            ObjectTooLarge: If it is larger than `max_bytes`; nothing is read.
            StorageUnavailable: If the body still breaks off after four tries.
        """
        checked_key(key)
        for pause_seconds in (*_PAUSES_BEFORE_BODY_RETRY_SECONDS, None):
            with self._translated("get an object", key):
                response = self.client.get_object(Bucket=self.name, Key=key)
                try:
                    return _body(response, key, max_bytes)
                except BROKEN_BODY:
                    if pause_seconds is None:
                        raise
            time.sleep(pause_seconds)
        raise AssertionError  # the last round returns or raises

    def head(self, key: str) -> ObjectFacts | None:
        """Return an object's size and modification time; None if bucket or key is missing."""
        try:
            with self._translated("head an object", checked_key(key)):
                facts = self.client.head_object(Bucket=self.name, Key=key)
        except ObjectMissing:
            return None
        modified_at = facts["LastModified"].astimezone(UTC)
        return ObjectFacts(key, facts["ContentLength"], modified_at)

    def delete_many(self, keys: Sequence[str]) -> DeletionReport:
        """Delete objects, 1,000 a call.

        Only keys that the bucket confirmed count as deleted. A call that fails as a whole ends the
        deletion and is reported, not raised, so that earlier confirmations are not lost.
        """
        unique = dict.fromkeys(checked_key(key) for key in keys)
        batches = list(deletion_batches(list(unique), str, size=MAX_KEYS_PER_DELETE))
        deleted: list[str] = []
        failed: dict[str, str] = {}
        broken = None
        for number, batch in enumerate(batches):
            try:
                confirmed, errors = self._delete_batch(batch)
            except StorageError as error:
                broken = error
                rest = chain.from_iterable(batches[number:])
                failed.update(dict.fromkeys(rest, type(error).__name__))
                break
            deleted += (key for key in batch if key in confirmed)
            failed.update((k, errors.get(k, "NotConfirmed")) for k in batch if k not in confirmed)
        return DeletionReport(tuple(deleted), failed, broken)

    def create_with_marker(self) -> MarkerReport:
        """Create the bucket and its marker object if they do not exist."""
        created = not self._exists()
        if created:
            self._create()
        marked = self.head(MARKER_KEY) is not None
        if not marked:
            self.put(MARKER_KEY, _MARKER, "text/plain")
        return MarkerReport(created, not marked)

    def verify_marker(self) -> None:
        """Check that this is our bucket.

        Raises:
            WrongBucket: If the bucket or its marker object does not exist.
        """
        if self.head(MARKER_KEY) is None:
            raise WrongBucket(self.name)

    def _exists(self) -> bool:
        try:
            with self._translated("find the bucket"):
                self.client.head_bucket(Bucket=self.name)
        except WrongBucket:
            return False
        return True

    def _create(self) -> None:
        region = self.client.meta.region_name
        with self._translated("create the bucket"):
            if region in _REGIONS_WITHOUT_CONSTRAINT:
                self.client.create_bucket(Bucket=self.name)
            else:
                constraint = cast("BucketLocationConstraintType", region)
                self.client.create_bucket(
                    Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": constraint}
                )

    def _delete_batch(self, keys: Sequence[str]) -> tuple[set[str], dict[str, str]]:
        """Return the confirmed keys, and the error codes of the others."""
        if not fits_xml(keys[0]):
            self._delete_one(keys[0])
            return set(keys), {}
        with self._translated("delete objects"):
            answer = self.client.delete_objects(
                Bucket=self.name, Delete={"Objects": [{"Key": key} for key in keys]}
            )
        confirmed = {entry["Key"] for entry in answer.get("Deleted", [])}
        errors = {entry["Key"]: entry["Code"] for entry in answer.get("Errors", [])}
        return confirmed - errors.keys(), errors

    def _delete_one(self, key: str) -> None:
        with suppress(ObjectMissing), self._translated("delete an object", key):
            self.client.delete_object(Bucket=self.name, Key=key)

    def _translated(self, operation: str, key: str | None = None) -> AbstractContextManager[None]:
        return translated(operation, bucket=self.name, key=key)


def deletion_batches(
    items: Sequence[T], key_of: Callable[[T], str], *, size: int
) -> Iterator[Sequence[T]]:
    """Split items to delete into calls; keys that XML cannot represent get one each."""
    in_xml = [item for item in items if fits_xml(key_of(item))]
    for start in range(0, len(in_xml), size):
        yield in_xml[start : start + size]
    yield from ([item] for item in items if not fits_xml(key_of(item)))


def open_bucket(access: BucketAccess, *, max_connections: int = 32) -> AudioBucket:
    """Return a bucket; makes no request.

    Args:
        access: Where the bucket is, and the credentials for it.
        max_connections: Size of the connection pool: at least one per thread that uses the bucket.
    """
    token = access.session_token
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.signing_region,
        aws_access_key_id=access.access_key_id.get_secret_value(),
        aws_secret_access_key=access.secret_access_key.get_secret_value(),
        aws_session_token=token.get_secret_value() if token else None,
        config=Config(
            signature_version="s3v4",  # otherwise boto3 signs with SigV2 in some regions
            s3={"addressing_style": access.addressing_style},
            # Not every S3 server supports the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=max_connections,
            proxies={} if access.is_loopback else None,  # {} ignores proxies of the environment
        ),
    )
    return AudioBucket(access.name, client)


def _body(response: "GetObjectOutputTypeDef", key: str, max_bytes: int) -> bytes:
    """Read a response's body; raise IncompleteReadError if it is shorter than announced."""
    with closing(response["Body"]) as body:
        announced = response["ContentLength"]
        if announced > max_bytes:
            raise ObjectTooLarge(key, announced, max_bytes)
        data = body.read()
    if len(data) != announced:
        raise IncompleteReadError(actual_bytes=len(data), expected_bytes=announced)
    return data
