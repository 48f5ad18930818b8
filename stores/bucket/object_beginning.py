"""The first bytes of an object: enough to tell what it is without reading all of it."""

from dataclasses import dataclass

from schema.object_keys import checked_key
from stores.bucket.audio_bucket import AudioBucket
from stores.bucket.errors import translated

BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ObjectBeginning:
    """How an object begins, and what was said of it when it was put."""

    data: bytes  # all of a small object
    size_bytes: int  # of the whole
    content_type: str  # lower case, without parameters; empty if none was said

    @property
    def is_whole(self) -> bool:
        """Whether nothing follows."""
        return len(self.data) == self.size_bytes


def read_beginning(bucket: AudioBucket, key: str) -> ObjectBeginning:
    """Return how an object begins; it must not be empty, which S3 refuses a range of.

    Raises:
        ObjectMissing: If the bucket has no such key.
    """
    with translated("get an object", bucket=bucket.name, key=checked_key(key)):
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key, Range=f"bytes=0-{BYTES - 1}")
        data = answer["Body"].read()
    _, _, size_bytes = answer["ContentRange"].rpartition("/")  # bytes 0-65535/240000
    content_type, _, _ = answer.get("ContentType", "").partition(";")
    return ObjectBeginning(data, int(size_bytes), content_type.strip().lower())
