"""Objects' bodies: read them whole, and tell a recording from what answers in its place."""

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from stores.bucket.answers import UnexpectedAnswer

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MARKUP = "a web page or XML answers in the object's place"
OTHER_MD5 = "its body does not match its ETag"

_looks_like_md5 = re.compile("[0-9a-f]{32}").fullmatch  # ETags of multipart uploads end in -N
_is_markup = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|\?xml|html|head|body|error|script)", re.IGNORECASE
).match


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


def check_origin(
    data: bytes, answer: "GetObjectOutputTypeDef", *, states_md5: Callable[[], bool]
) -> None:
    """Check that a body is the object's: its ETag vouches for it where that is an MD5.

    Args:
        data: The body.
        answer: The answer that it came with.
        states_md5: Tells whether ETags of this server that look like MD5s are MD5s.

    Raises:
        UnexpectedAnswer: If something else answers in the object's place, or changed the body.
    """
    etag = answer["ETag"].strip('"')
    if etag == md5(data):
        return
    if _is_markup(data):
        raise UnexpectedAnswer(MARKUP)
    # Encrypted with a key of KMS or the customer's, an object has an ETag that only looks like one.
    is_encrypted = "SSECustomerAlgorithm" in answer or "SSEKMSKeyId" in answer
    if _looks_like_md5(etag) and not is_encrypted and states_md5():
        raise UnexpectedAnswer(OTHER_MD5)


def md5(data: bytes) -> str:
    """Return the MD5 of data, as in an ETag."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
