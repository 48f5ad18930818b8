"""Errors: what happened, what to do, the facts as attributes; all survive pickling.

KaiwaError
├── StorageError
│   ├── ObjectMissing        the bucket has no such key
│   ├── InvalidKey           no S3 server stores an object under just this name
│   ├── ObjectTooLarge       larger than the reader allows
│   ├── StorageUnavailable   timeouts, 5xx, cut bodies: try again
│   ├── StorageDenied        credentials or rights
│   └── WrongBucket          the marker object is not there
├── WorkerNotReady           no analysis process can be started
├── InvalidDatabaseUrl       DATABASE_URL is not one of Postgres
├── ClockSkew                this machine and the database disagree about the time
└── RunIncomplete            part of the work failed, so the run must not end green
"""

from typing import Any


class KaiwaError(Exception):
    """Base of all errors of this project; `facts` are the constructor's arguments."""

    def __init__(self, message: str, *facts: Any) -> None:  # noqa: ANN401 - facts differ by error
        self.facts = facts
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), self.facts


class StorageError(KaiwaError):
    """The bucket did not do what was asked."""


class ObjectMissing(StorageError):
    """The bucket has no object under this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            "The recording is not in the bucket. It was deleted or never uploaded; "
            "ask the app to upload it again.",
            key,
        )


class InvalidKey(StorageError):
    """Some server, client or proxy would change, refuse or fail to list this key."""

    def __init__(self, key: str, rule: str) -> None:
        self.key, self.rule = key, rule
        super().__init__(
            f"An object's key {rule}; this one does not: {key[:80]!r}. "
            "Correct `audio_storage_key`, or ask the app to upload the recording again.",
            key,
            rule,
        )


class ObjectTooLarge(StorageError):
    """The object is larger than the reader allows."""

    def __init__(self, key: str, size_bytes: int, limit_bytes: int) -> None:
        self.key, self.size_bytes, self.limit_bytes = key, size_bytes, limit_bytes
        super().__init__(
            f"The recording has {size_bytes / 1e6:.1f} MB; at most {limit_bytes / 1e6:.0f} MB "
            "are read. Split it and upload the parts.",
            key,
            size_bytes,
            limit_bytes,
        )


class StorageUnavailable(StorageError):
    """The bucket did not answer, or broke off; another try may succeed."""

    def __init__(self, operation: str, reason: str) -> None:
        self.operation, self.reason = operation, reason
        super().__init__(
            f"The bucket failed to {operation}: {reason}. If this lasts, look at the provider's "
            "status and at TIGRIS_ENDPOINT.",
            operation,
            reason,
        )


class StorageDenied(StorageError):
    """The bucket refused the credentials."""

    def __init__(self, operation: str, code: str) -> None:
        self.operation, self.code = operation, code
        super().__init__(
            f"The bucket refused to {operation} ({code}). Check TIGRIS_ACCESS_KEY_ID, "
            "TIGRIS_SECRET_ACCESS_KEY and the key's rights on TIGRIS_BUCKET_NAME.",
            operation,
            code,
        )


class WrongBucket(StorageError):
    """The bucket does not hold our marker object."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        super().__init__(
            f"Bucket {bucket!r} holds no marker of this project. Check TIGRIS_BUCKET_NAME; "
            "for a new bucket run `kaiwa-audio storage init`.",
            bucket,
        )


class WorkerNotReady(KaiwaError):
    """An analysis process ended, or hung, before it was ready for its first recording."""

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        super().__init__(
            f"An analysis process did not get ready (exit code {exit_code}). The messages are "
            "given back. Look for its traceback in the worker's log; memory may be short, or the "
            "installation incomplete.",
            exit_code,
        )


class InvalidDatabaseUrl(KaiwaError):
    """DATABASE_URL is not one of Postgres; the message does not repeat it, it holds a password."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL is not a Postgres URL; "
            "it should read postgresql://user:password@host:port/database."
        )


class ClockSkew(KaiwaError):
    """This machine and the database disagree about the time; one of them would decide wrongly."""

    def __init__(self, skew_seconds: float, allowed_seconds: float) -> None:
        self.skew_seconds, self.allowed_seconds = skew_seconds, allowed_seconds
        super().__init__(
            f"This machine's clock is {abs(skew_seconds):.0f} s "
            f"{'ahead of' if skew_seconds > 0 else 'behind'} the database's (allowed: "
            f"{allowed_seconds:.0f} s). Nothing was done. Synchronise both by NTP, then run again.",
            skew_seconds,
            allowed_seconds,
        )


class RunIncomplete(KaiwaError):
    """Part of the work failed, so the run must not end green."""

    def __init__(self, failed: int, total: int, broken_chunks: int, allowed_percent: float) -> None:
        self.failed, self.total = failed, total
        self.broken_chunks, self.allowed_percent = broken_chunks, allowed_percent
        broken = (
            f" Chunks that broke off, for later runs to take up: {broken_chunks}."
            if broken_chunks
            else ""
        )
        super().__init__(
            f"{failed} of {total} messages were not analysed (allowed: {allowed_percent:g} %)."
            f"{broken} Everything else is written. The artifact `analyze-messages` counts the "
            "causes, and each failed message says why in `audio_processing_error`.",
            failed,
            total,
            broken_chunks,
            allowed_percent,
        )
