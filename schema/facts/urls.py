"""Facts about presigned URLs."""

from dataclasses import dataclass
from datetime import datetime

from schema.facts.report import Report


@dataclass(frozen=True, slots=True)
class ScanPosition:
    """A position in the scan of messages with a recording: by retention expiry, then by id."""

    retention_expires_at: datetime | None  # None sorts first
    message_id: str


@dataclass(frozen=True, slots=True)
class MessageSpan:
    """A part of the scan, `(after, last]`; either all its messages have an expiry, or none."""

    after: ScanPosition
    last: ScanPosition


@dataclass(frozen=True, slots=True)
class SignableMessage:
    """A message with a recording, as it was read, with everything needed to sign its URL."""

    message_id: str
    conversation_id: str
    storage_key: str
    retention_expires_at: datetime | None
    url_expires_at: datetime | None  # None if there is no URL
    deletion_begun: bool  # deletion of its audio, or erasure of its learner
    version: str  # of its row; every change makes a new one

    @property
    def position(self) -> ScanPosition:
        """The message's position in the scan."""
        return ScanPosition(self.retention_expires_at, self.message_id)


@dataclass(frozen=True, slots=True)
class UrlReport(Report):
    """Messages with a recording by what was done with their URL, in one span or in all."""

    signed: int = 0  # in a dry run: would be signed
    fresh: int = 0  # need no new URL yet
    inactive: int = 0  # learner not active recently, if only active ones were requested
    due: int = 0  # recording due for deletion or being deleted: no URL
    refused: int = 0  # key not one of ours; quarantined
    unreadable: int = 0  # retention expiry is no date; quarantined
    changed: int = 0  # changed in the meantime; left to the next run
