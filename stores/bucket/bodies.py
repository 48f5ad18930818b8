"""Objects' bodies: read them whole, and tell a recording from what answers in its place."""

import hashlib
import re
from typing import TYPE_CHECKING

from stores.bucket.answers import UnexpectedAnswer

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_is_md5 = re.compile(r'"?[0-9a-f]{32}"?').fullmatch  # those of multipart uploads end in -N
_is_markup = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|\?xml|html|head|body|error|script)", re.IGNORECASE
).match
# With these, an ETag is no MD5 although it looks like one.
_KMS = "aws:kms"


def read_body(body: "StreamingBody", announced_bytes: int) -> bytes:
    """Read a body of the announced length.

    Raises:
        UnexpectedAnswer: If it is shorter or longer.
    """
    data = body.read(announced_bytes + 1)
    if len(data) != announced_bytes:
        message = f"its body has not the announced {announced_bytes} bytes"
        raise UnexpectedAnswer(message)
    return data


def stated_md5(answer: "GetObjectOutputTypeDef") -> str | None:
    """Return the MD5 of an object if its ETag looks like one; see `is_md5_of_marker`."""
    if "SSECustomerAlgorithm" in answer or answer.get("ServerSideEncryption", "").startswith(_KMS):
        return None
    etag = answer["ETag"]
    return etag.strip('"') if _is_md5(etag) else None


def md5(data: bytes) -> str:
    """Return the MD5 of data, as in an ETag."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def is_markup(data: bytes) -> bool:
    """Return whether data begins like HTML or XML, as a proxy's page does."""
    return _is_markup(data) is not None
