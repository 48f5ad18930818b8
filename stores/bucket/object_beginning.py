"""The first bytes of an object: enough to detect its format without downloading all of it."""

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.object_keys import checked_key
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.deadline import Deadline

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

BYTES = 64 * 1024


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

    def get(_: Deadline) -> tuple["GetObjectOutputTypeDef", bytes]:
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key, Range=f"bytes=0-{BYTES - 1}")
        with closing(answer["Body"]) as body:
            return answer, body.read()

    answer, data = bucket.ask("get an object", get, checked_key(key))
    _, _, size_bytes = answer["ContentRange"].rpartition("/")  # bytes 0-65535/240000
    content_type, _, _ = answer.get("ContentType", "").partition(";")
    return ObjectBeginning(data, int(size_bytes), content_type.strip().lower())
