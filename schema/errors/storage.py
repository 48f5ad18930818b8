"""Errors of the audio bucket."""

from datetime import datetime

from schema.errors.base import KaiwaError
from schema.wording import agreeing, counted


class StorageError(KaiwaError):
    """Base of all errors of the bucket."""


class ObjectMissing(StorageError):
    """The bucket has no object under this key."""

    key: str

    def __str__(self) -> str:
        return (
            "The recording is not in the bucket: it was deleted or never uploaded. "
            "Ask the app to upload it again."
        )


class InvalidKey(StorageError):
    """A server, client or proxy might change this key, refuse it or fail to list it."""

    key: str
    rule: str

    def __str__(self) -> str:
        return (
            f"Invalid object key: it {self.rule}. It begins {self.key[:80]!r}. Correct "
            "`audio_storage_key`, or ask the app to upload the recording again."
        )


class UrlRefused(StorageError):
    """A message gets no signed URL."""

    message_id: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Message {self.message_id!r} gets no URL: {self.reason}. Only recordings that "
            "are still kept get one."
        )


class ObjectTooLarge(StorageError):
    """The object is larger than the reader allows."""

    key: str
    size_bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return (
            f"The recording is {self.size_bytes / 1e6:.1f} MB; the limit is "
            f"{self.limit_bytes / 1e6:.0f} MB. Split it and upload the parts."
        )


class StorageUnavailable(StorageError):
    """The bucket did not answer, or stopped answering; a retry may succeed."""

    operation: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The bucket failed to {self.operation}: {self.reason}. If this persists, check the "
            "provider's status and TIGRIS_ENDPOINT."
        )


class StorageDenied(StorageError):
    """The bucket refused the credentials."""

    operation: str
    code: str

    def __str__(self) -> str:
        if self.code == "RequestTimeTooSkewed":
            return (
                f"The bucket refused to {self.operation}: its clock and that of this machine "
                "differ by more than 15 minutes. Synchronise this machine's clock with NTP."
            )
        return (
            f"The bucket refused to {self.operation} ({self.code}). Check TIGRIS_ACCESS_KEY_ID, "
            "TIGRIS_SECRET_ACCESS_KEY, TIGRIS_REGION and the key's rights on TIGRIS_BUCKET_NAME."
        )


class CredentialExpiryUnknown(StorageError):
    """The credentials are temporary, and a URL must not outlive them, but their expiry is unset."""

    def __str__(self) -> str:
        return (
            "TIGRIS_SESSION_TOKEN is set, so the credentials are temporary, but their expiry is "
            "unknown. Set TIGRIS_CREDENTIAL_EXPIRATION, such as to 2025-12-31T23:59:59+00:00."
        )


class CredentialsExpired(StorageError):
    """The temporary credentials have expired; their signatures are refused."""

    expired_at: datetime

    def __str__(self) -> str:
        return (
            f"The bucket's temporary credentials expired at {self.expired_at.isoformat()}. Set new "
            "ones and their TIGRIS_CREDENTIAL_EXPIRATION, then restart the worker."
        )


class WrongBucket(StorageError):
    """The bucket does not hold our marker object."""

    bucket: str

    def __str__(self) -> str:
        return (
            f"Bucket {self.bucket!r} holds no marker of this project. Check TIGRIS_BUCKET_NAME; "
            "for a new bucket, run `kaiwa-audio storage init`."
        )


class UnprovenBucket(StorageError):
    """The bucket holds our marker, but too few of the recordings it should hold."""

    bucket: str
    found: int
    sampled: int

    def __str__(self) -> str:
        return (
            f"Bucket {self.bucket!r} holds {self.found} of "
            f"{counted(self.sampled, 'sampled recording')}. It "
            "may belong to another environment, so nothing was marked as deleted. Check "
            "TIGRIS_BUCKET_NAME and DATABASE_URL; if recordings are really missing, run "
            "`reconcile-bucket`."
        )


class RecordingsMissing(StorageError):
    """The bucket holds our marker, but less than half of the recordings."""

    bucket: str
    missing: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.missing} of {counted(self.rows, 'recording')} "
            f"{agreeing(self.missing, 'is', 'are')} not in bucket {self.bucket!r}. The "
            "bucket or the prefix may be wrong. Nothing was queued for deletion. Check "
            "TIGRIS_BUCKET_NAME and DATABASE_URL, then run again for a new listing."
        )
