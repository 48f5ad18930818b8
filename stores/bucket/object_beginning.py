"""The first bytes of an object: enough to detect its format without downloading all of it."""

from dataclasses import dataclass

from schema.object_keys import checked_key
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.errors import translated

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
    with translated("get an object", bucket=bucket.name, key=checked_key(key)):
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key, Range=f"bytes=0-{BYTES - 1}")
        data = answer["Body"].read()
    _, _, size_bytes = answer["ContentRange"].rpartition("/")  # bytes 0-65535/240000
    content_type, _, _ = answer.get("ContentType", "").partition(";")
    return ObjectBeginning(data, int(size_bytes), content_type.strip().lower())
