"""Translation of the S3 client's errors to `schema.errors`, without secrets or signed URLs."""

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.exceptions
import urllib3.exceptions
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError

from schema.errors.storage import (
    ObjectMissing,
    StorageDenied,
    StorageError,
    StorageUnavailable,
    WrongBucket,
)
from stores.bucket.deadline import DeadlineExceeded
from stores.bucket.transport import UnexpectedAnswer

NOT_IMPLEMENTED = "NotImplemented"  # the code of servers that lack an operation
_BROKEN_CONNECTION = (
    HTTPClientError,
    IncompleteReadError,
    OSError,
    botocore.exceptions.ConnectionError,
    urllib3.exceptions.HTTPError,
    ResponseParserError,  # a proxy's error page instead of S3's XML
)
_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"}


@contextmanager
def translated(operation: str, *, bucket: str, key: str | None = None) -> Iterator[None]:
    """Raise the client's errors as ours.

    Args:
        operation: Completes the sentence "The bucket failed to …".
        bucket: The bucket's name.
        key: The object's key; None if the request concerns the bucket or many objects.
    """
    try:
        yield
    except ClientError as error:
        raise _translation(error, operation, bucket, key) from error
    except (DeadlineExceeded, UnexpectedAnswer) as error:
        raise StorageUnavailable(operation, str(error)) from error
    except _BROKEN_CONNECTION as error:
        raise StorageUnavailable(operation, type(error).__name__) from error


def _translation(error: ClientError, operation: str, bucket: str, key: str | None) -> StorageError:
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status >= 500 or status == 429 or code in _TRANSIENT_CODES:
        return StorageUnavailable(operation, code)
    # A HEAD response has no body, hence no code: a missing bucket looks like a missing key.
    if code == "NoSuchBucket" or (status == 404 and key is None):
        return WrongBucket(bucket)
    if status == 404 and key is not None:
        return ObjectMissing(key)
    return StorageDenied(operation, code)
