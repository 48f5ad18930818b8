"""Facts about signed URLs."""

from dataclasses import dataclass
from datetime import datetime

from schema.facts.report import Report


@dataclass(frozen=True, slots=True)
class ScanPosition:
    """A place in the walk through messages with a recording, by its expiry and their id."""

    retention_expires_at: datetime | None  # None sorts first
    message_id: str


@dataclass(frozen=True, slots=True)
class MessageSpan:
    """A piece of that walk, `(after, last]`; all of it has an expiry, or none."""

    after: ScanPosition
    last: ScanPosition


@dataclass(frozen=True, slots=True)
class SignableMessage:
    """A message with a recording, as it was read: all that a signature needs to know."""

    message_id: str
    conversation_id: str
    storage_key: str
    retention_expires_at: datetime | None
    url_expires_at: datetime | None  # None if there is no URL
    deletion_begun: bool  # of its audio, or the erasure of its learner
    version: str  # of its row: whoever changes the row makes another

    @property
    def position(self) -> ScanPosition:
        """Where in the walk it stands."""
        return ScanPosition(self.retention_expires_at, self.message_id)


@dataclass(frozen=True, slots=True)
class UrlReport(Report):
    """What became of the URLs of messages with a recording, in a span of them or in all."""

    signed: int = 0  # in a dry run: would have been
    fresh: int = 0  # need no new one yet
    inactive: int = 0  # of learners who said nothing lately, if only active ones were asked for
    due: int = 0  # their recording may be deleted, or is being: no URL any more
    refused: int = 0  # their key is not one of ours; quarantined
    changed: int = 0  # somebody changed the message meanwhile; left to the next run
