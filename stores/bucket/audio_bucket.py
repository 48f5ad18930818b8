"""The audio bucket: any S3-compatible store, through boto3."""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING, TypeVar, cast

from schema.errors.storage import (
    ObjectMissing,
    ObjectTooLarge,
    StorageError,
    StorageUnavailable,
    WrongBucket,
)
from schema.facts.bucket import BucketLimits, ObjectFacts
from schema.object_keys import checked_key, fits_xml
from stores.bucket.access import DEFAULT_REGION, BucketAccess
from stores.bucket.answers import UnexpectedAnswer
from stores.bucket.bodies import check_origin, md5, read_body
from stores.bucket.client import open_client
from stores.bucket.deadline import Deadline, allows, deadline
from stores.bucket.errors import NOT_IMPLEMENTED, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_s3.type_defs import CreateBucketConfigurationTypeDef, ObjectIdentifierTypeDef

T = TypeVar("T")
_HEAD = "head an object"
NOT_MISSING = "HTTP 404 for an object that exists"
ODD_MARKER = ("return its marker", "something else answers in its place")
# Entered around each request; what it raises prevents the request.
Guard = Callable[[], AbstractContextManager[object]]
MAX_KEYS_PER_DELETE = 1000

# S3 reports missing keys as deleted, so in a wrong bucket every deletion seems to succeed. The
# marker object tells buckets apart.
MARKER_KEY = ".kaiwa-audio"
MAX_MARKER_BYTES = 1000
MARKER = b"This bucket holds the audio of Kaiwa's learners; `kaiwa-audio storage init` made it.\n"

TRIES = 5
_FIRST_PAUSE_SECONDS = 1.0  # at most; exponential backoff with full jitter, as in boto3

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
    client: "S3Client"  # repeats nothing; see `ask`
    limits: BucketLimits

    def ask(
        self,
        operation: str,
        call: Callable[[Deadline], T],
        key: str | None = None,
        *,
        tries: int = TRIES,
        guard: Guard = nullcontext,
    ) -> T:
        """Return what a call of the client returns; repeat it while the bucket is unavailable.

        Args:
            operation: Completes the sentence "The bucket failed to …".
            call: Calls the client. Its argument is the deadline of all tries together.
            key: The object's key; None if the request concerns the bucket or many objects.
            tries: Calls in all.
            guard: Entered around each call.

        Raises:
            StorageUnavailable: If the bucket still fails at the last try, or takes longer than its
                limit.
        """
        with deadline(self.limits.call_seconds) as bound:
            for number in range(1, tries):
                try:
                    with guard(), translated(operation, bucket=self.name, key=key):
                        return call(bound)
                except StorageUnavailable as error:
                    pause = _pause_seconds(number)
                    if error.reason == NOT_IMPLEMENTED or not allows(pause):
                        raise
                time.sleep(pause)
            with guard(), translated(operation, bucket=self.name, key=key):
                return call(bound)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store an object, replacing an existing one; its MD5 protects the transfer."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()

        def put(bound: Deadline) -> None:
            bound.allow(self.limits.transfer_seconds(len(data)))
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=data,
                ContentType=content_type,
                ContentMD5=base64.b64encode(digest).decode(),
            )

        self.ask("put an object", put, checked_key(key))

    def get(self, key: str, *, max_bytes: int) -> bytes:
        """Return all bytes of an object.

        Raises:
            ObjectMissing: If the bucket has no such key.
            ObjectTooLarge: If it is larger than `max_bytes`; nothing is read.
            StorageUnavailable: If the body still breaks off after five tries, or arrives too
                slowly.
        """

        def get(bound: Deadline) -> bytes:
            answer = self.client.get_object(Bucket=self.name, Key=key)
            with closing(answer["Body"]) as body:
                announced = answer["ContentLength"]
                if announced > max_bytes:
                    raise ObjectTooLarge(key, announced, max_bytes)
                bound.allow(self.limits.transfer_seconds(announced))
                data = read_body(body, announced)
            check_origin(data, answer, states_md5=self._states_md5)
            return data

        return self.ask("get an object", get, checked_key(key))

    def _states_md5(self) -> bool:
        """Return whether the server's ETags are MD5s, as that of the marker shows."""
        try:
            marker = self.ask(
                _HEAD,
                lambda _: self.client.head_object(Bucket=self.name, Key=MARKER_KEY),
                MARKER_KEY,
            )
        except ObjectMissing:
            return False
        return marker["ETag"].strip('"') == md5(MARKER)

    def head(self, key: str) -> ObjectFacts | None:
        """Return an object's size and modification time; None if bucket or key is missing.

        The answer to HEAD has no body, so anything can answer 404. That an object is missing is
        only believed if the bucket says so in a document of S3.
        """
        checked_key(key)
        try:
            facts = self.ask(
                _HEAD, lambda _: self.client.head_object(Bucket=self.name, Key=key), key
            )
        except ObjectMissing:
            self._confirm_missing(key)
            return None
        return ObjectFacts(key, facts["ContentLength"], facts["LastModified"].astimezone(UTC))

    def _confirm_missing(self, key: str) -> None:
        def get(_: Deadline) -> None:
            self.client.get_object(Bucket=self.name, Key=key)["Body"].close()
            raise UnexpectedAnswer(NOT_MISSING)

        with suppress(ObjectMissing, WrongBucket):
            self.ask(_HEAD, get, key)

    def delete_many(self, keys: Sequence[str], guard: Guard = nullcontext) -> DeletionReport:
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
                confirmed, errors = self._delete_batch(batch, guard)
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
            self.put(MARKER_KEY, MARKER, "text/plain")
        return MarkerReport(created, not marked)

    def verify_marker(self) -> None:
        """Check that this is our bucket.

        Raises:
            WrongBucket: If the bucket or its marker object does not exist.
            StorageUnavailable: If something else answers in the marker's place.
        """
        try:
            found = self.get(MARKER_KEY, max_bytes=MAX_MARKER_BYTES)
        except ObjectMissing:
            raise WrongBucket(self.name) from None
        except ObjectTooLarge:
            found = b""
        if found != MARKER:
            raise StorageUnavailable(*ODD_MARKER)

    def _exists(self) -> bool:
        try:
            self.ask("find the bucket", lambda _: self.client.head_bucket(Bucket=self.name))
        except WrongBucket:
            return False
        return True

    def _create(self) -> None:
        region = self.client.meta.region_name
        where: CreateBucketConfigurationTypeDef = {}
        if region not in _REGIONS_WITHOUT_CONSTRAINT:
            where["LocationConstraint"] = cast("BucketLocationConstraintType", region)
        self.ask(
            "create the bucket",
            lambda _: (
                self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)
                if where
                else self.client.create_bucket(Bucket=self.name)
            ),
        )

    def _delete_batch(self, keys: Sequence[str], guard: Guard) -> tuple[set[str], dict[str, str]]:
        """Return the confirmed keys, and the error codes of the others."""
        if not fits_xml(keys[0]):
            self._delete_one(keys[0], guard)
            return set(keys), {}
        objects: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
        answer = self.ask(
            "delete objects",
            lambda _: self.client.delete_objects(Bucket=self.name, Delete={"Objects": objects}),
            guard=guard,
        )
        confirmed = {entry["Key"] for entry in answer.get("Deleted", [])}
        errors = {entry["Key"]: entry["Code"] for entry in answer.get("Errors", [])}
        return confirmed - errors.keys(), errors

    def _delete_one(self, key: str, guard: Guard) -> None:
        with suppress(ObjectMissing):
            self.ask(
                "delete an object",
                lambda _: self.client.delete_object(Bucket=self.name, Key=key),
                key,
                guard=guard,
            )


def _pause_seconds(number: int) -> float:
    """Return how long to wait after the failed try with this number, from 1."""
    return random.uniform(0, _FIRST_PAUSE_SECONDS * 2 ** min(number - 1, 5))  # noqa: S311 - no secret


def deletion_batches(
    items: Sequence[T], key_of: Callable[[T], str], *, size: int
) -> Iterator[Sequence[T]]:
    """Split items to delete into calls; keys that XML cannot represent get one each."""
    in_xml = [item for item in items if fits_xml(key_of(item))]
    for start in range(0, len(in_xml), size):
        yield in_xml[start : start + size]
    yield from ([item] for item in items if not fits_xml(key_of(item)))


def open_bucket(
    access: BucketAccess, limits: BucketLimits, *, max_connections: int = 32
) -> AudioBucket:
    """Return a bucket; makes no request.

    Args:
        access: Where the bucket is, and the credentials for it.
        limits: How long it may take.
        max_connections: Size of the connection pool: at least one per thread that uses the bucket.
    """
    client = open_client(access, max_connections=max_connections, call_seconds=limits.call_seconds)
    return AudioBucket(access.name, client, limits)
