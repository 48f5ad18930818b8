"""The first bytes of an object: enough to detect its format without downloading all of it."""

import re
from contextlib import closing
from dataclasses import dataclass

from schema.object_keys import checked_key
from stores.bucket.answers import UnexpectedAnswer
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.bodies import read_body
from stores.bucket.deadline import Deadline

BYTES = 64 * 1024
_is_range = re.compile(r"bytes 0-\d{1,5}/(\d{1,15})", re.ASCII).fullmatch  # 0-65535/240000


@dataclass(frozen=True, slots=True)
class ObjectBeginning:
    """The first bytes of an object, its size and its content type."""

    data: bytes  # the first `BYTES`, or the whole of a smaller object
    size_bytes: int  # of the whole object
    content_type: str  # lower case, without parameters; empty if unknown

    @property
    def is_whole(self) -> bool:
        """Whether `data` is the whole object."""
        return len(self.data) == self.size_bytes


def read_beginning(bucket: AudioBucket, key: str) -> ObjectBeginning:
    """Read the beginning of an object. It must not be empty: S3 rejects ranges of empty objects.

    Raises:
        ObjectMissing: If the bucket has no such key.
    """

    def get(bound: Deadline) -> ObjectBeginning:
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key, Range=f"bytes=0-{BYTES - 1}")
        with closing(answer["Body"]) as body:
            found = _is_range(answer.get("ContentRange", ""))
            size_bytes = int(found[1]) if found else 0
            if answer["ContentLength"] != min(BYTES, size_bytes):
                message = "its answer is not the range asked for"
                raise UnexpectedAnswer(message)
            bound.allow(bucket.limits.transfer_seconds(BYTES))
            data = read_body(body, answer["ContentLength"])
        content_type, _, _ = answer.get("ContentType", "").partition(";")
        return ObjectBeginning(data, size_bytes, content_type.strip().lower())

    return bucket.ask("get an object", get, checked_key(key))
