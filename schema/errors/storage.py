"""Errors of the audio bucket."""

from datetime import datetime

from schema.errors.base import KaiwaError


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
            "TIGRIS_SECRET_ACCESS_KEY, TIGRIS_REGION and the key's rights on TIGRIS_BUCKET_NAME.",
            operation,
            code,
        )


class CredentialExpiryUnknown(StorageError):
    """A URL signed with temporary credentials ends with them, and nobody said when that is."""

    def __init__(self) -> None:
        super().__init__(
            "TIGRIS_SESSION_TOKEN is set, so the credentials are temporary, but their end is not "
            "known. Set TIGRIS_CREDENTIAL_EXPIRATION to it, such as 2025-12-31T23:59:59+00:00."
        )


class CredentialsExpired(StorageError):
    """The temporary credentials have ended: what they sign is refused."""

    def __init__(self, expired_at: datetime) -> None:
        self.expired_at = expired_at
        super().__init__(
            f"The bucket's temporary credentials ended at {expired_at.isoformat()}. Set new ones, "
            "and TIGRIS_CREDENTIAL_EXPIRATION to their end; then restart the worker.",
            expired_at,
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


class UnprovenBucket(StorageError):
    """The bucket holds our marker, but too few of the recordings that it should hold."""

    def __init__(self, bucket: str, found: int, sampled: int) -> None:
        self.bucket, self.found, self.sampled = bucket, found, sampled
        super().__init__(
            f"Of a sample of {sampled} recordings bucket {bucket!r} holds {found}. It may be "
            "another environment's, so nothing was marked as deleted. Check TIGRIS_BUCKET_NAME and "
            "DATABASE_URL; if recordings are really missing, run `reconcile-bucket`.",
            bucket,
            found,
            sampled,
        )


class RecordingsMissing(StorageError):
    """The bucket holds our marker, but not even half of the recordings."""

    def __init__(self, bucket: str, missing: int, rows: int) -> None:
        self.bucket, self.missing, self.rows = bucket, missing, rows
        super().__init__(
            f"{missing} of {rows} recordings are not in bucket {bucket!r}. Wrong bucket or prefix? "
            "Nothing was queued for deletion. Check TIGRIS_BUCKET_NAME and DATABASE_URL, then "
            "run again; it lists the bucket anew.",
            bucket,
            missing,
            rows,
        )
