"""Translation of the S3 client's errors to `schema.errors`, without secrets or signed URLs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ParamValidationError

from schema.errors.storage import (
    ObjectMissing,
    StorageDenied,
    StorageError,
    StorageUnavailable,
    WrongBucket,
)
from stores.bucket.answers import UnexpectedAnswer
from stores.bucket.deadline import DeadlineExceeded
from stores.bucket.transport import AddressRefused

NOT_IMPLEMENTED = "NotImplemented"  # the code of servers that lack an operation
_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"}
_MISSING_CODES = {"NoSuchKey", "NoSuchVersion"}
_HEADS = {"HeadObject", "HeadBucket"}  # answered without a body, hence without a code
_is_code = re.compile(r"[A-Za-z0-9.]{1,64}").fullmatch


@contextmanager
def translated(operation: str, *, bucket: str, key: str | None = None) -> Iterator[None]:
    """Raise whatever the client raises as ours; only calls of the client belong inside.

    Args:
        operation: Completes the sentence "The bucket failed to …".
        bucket: The bucket's name.
        key: The object's key; None if the request concerns the bucket or many objects.
    """
    try:
        yield
    except (StorageError, ParamValidationError):  # the latter is a defect of ours
        raise
    except ClientError as error:
        raise _translation(error, operation, bucket, key) from error
    except (AddressRefused, DeadlineExceeded, UnexpectedAnswer) as error:
        raise StorageUnavailable(operation, str(error)) from error
    except Exception as error:  # boto3 stumbles over odd answers with errors of every kind
        raise StorageUnavailable(operation, type(error).__name__) from error


def _translation(error: ClientError, operation: str, bucket: str, key: str | None) -> StorageError:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"].get("Code") or ""
    if not _is_code(code):
        code = str(status)  # whatever it is, it does not belong into logs and tables
    if status >= 500 or status == 429 or code in _TRANSIENT_CODES:
        return StorageUnavailable(operation, code)
    is_head = error.operation_name in _HEADS
    if code == "NoSuchBucket" or (status == 404 and is_head and key is None):
        return WrongBucket(bucket)
    if status == 404 and key is not None and (is_head or code in _MISSING_CODES):
        return ObjectMissing(key)
    if status == 404:
        return StorageUnavailable(operation, "HTTP 404 without S3's reason")
    return StorageDenied(operation, code)
