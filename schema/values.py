"""Frozen facts that travel between stores, policy and tasks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.states import DeletionReason, HoldScope, UserTier


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """One message under a lease: all that its analysis needs to know."""

    message_id: str
    storage_key: str
    text: str
    language: str  # the app's language id, e.g. "en"
    audio_format: str | None  # as the app declared it; sniffed bytes win
    sample_rate_hz: int | None
    channels: int | None
    attempts: int  # failed tries before this one
    crashes: int  # tries that killed their worker process


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages taken together under one lease token."""

    token: UUID
    messages: tuple[ClaimedMessage, ...]


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A place in the queue of messages that wait for analysis: by time, then by id."""

    said_at: datetime  # UTC
    message_id: str


@dataclass(frozen=True, slots=True)
class WaitingChunk:
    """Messages to be claimed together: from which one on, and how many."""

    start: QueuePosition
    size: int


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What HEAD says of an object."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime  # UTC; when it was put


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One row of `messages`; the fields are its columns, instants in UTC."""

    id: str
    conversation_id: str
    role: str
    content: str
    timestamp: datetime
    audio_url: str | None
    audio_url_expires_at: datetime | None
    audio_storage_key: str | None
    audio_duration_ms: int | None
    audio_size_bytes: int | None
    audio_format: str | None
    audio_sample_rate: int | None
    audio_channels: int | None
    audio_processing_state: str | None
    audio_processing_error: str | None
    audio_retention_expires_at: datetime | None
    audio_deleted_at: datetime | None
    pronunciation_score: int | None
    fluency_score: int | None
    speech_rate_wpm: int | None


@dataclass(frozen=True, slots=True)
class AnalysisSummary:
    """The light part of an analysis."""

    overall_accuracy_score: int | None
    overall_fluency_score: int | None
    speech_rate_wpm: int | None
    pause_count: int | None
    hesitation_count: int | None


@dataclass(frozen=True, slots=True)
class IntendedDeletion:
    """An object that is about to be deleted, and why it may be."""

    storage_key: str
    message_id: str | None  # None: no message is known
    reason: DeletionReason
    tier: UserTier | None = None  # of its owner, if known
    size_bytes: int | None = None
    retention_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A live message with audio, and all that decides whether its audio is kept."""

    message_id: str
    storage_key: str
    role: str
    created_at: datetime  # UTC; when it was said
    has_user: bool  # whether its conversation belongs to a learner, not to a guest
    current_tier: str | None  # of the learner's newest subscription
    retention_expires_at: datetime | None  # UTC; as stored
    size_bytes: int | None
    processing_state: str | None
    held: bool  # an active legal hold covers it


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object in the queue of those that no message refers to."""

    storage_key: str
    message_id: str | None
    size_bytes: int | None
    queued_at: datetime  # UTC
    held: bool  # an active legal hold covers it, or nobody can tell
    in_use: bool  # a message refers to it again, is about to by an upload, or could adopt it


@dataclass(frozen=True, slots=True)
class Stray:
    """An object that by its key is of a message without a recording."""

    storage_key: str
    message_id: str
    was_deleted: bool  # the ledger says that this key was deleted, or is about to be


@dataclass(frozen=True, slots=True)
class Adoption:
    """An object and the message that takes it over; what its bytes do not tell is None."""

    message_id: str
    storage_key: str
    size_bytes: int
    format: str | None
    sample_rate_hz: int | None
    channels: int | None
    duration_ms: int | None


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
class OpenIntent:
    """An entry of the deletion ledger that is not final: its object may or may not be gone."""

    id: int
    storage_key: str
    message_id: str | None
    reason: DeletionReason
    attempts: int  # deletions that the bucket did not confirm


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The newest final entry of the deletion ledger; kept elsewhere, it shows a cut-off end."""

    position: int  # 0: the ledger is empty
    hash: str  # SHA-256, hexadecimal

    def __str__(self) -> str:
        """Write it as `kaiwa-audio ledger verify --head` takes it."""
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, slots=True)
class LedgerBreak:
    """The first entry of the deletion ledger that is not as it was written."""

    position: int | None  # where the chain breaks; None: the entry has no place in it
    entry_id: int | None  # None: the entry is gone
    problem: str


@dataclass(frozen=True, slots=True)
class LedgerVerification:
    """What a walk along the whole deletion ledger found."""

    head: LedgerHead  # the last entry that is as it was written
    broken: LedgerBreak | None


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A legal hold just placed, and what it came in time for."""

    hold_id: int
    protected: int  # recordings that it keeps
    already_deleted: int  # recordings that it came too late for


@dataclass(frozen=True, slots=True)
class ActiveHold:
    """A legal hold that nobody has released."""

    hold_id: int
    scope: HoldScope
    subject_id: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class LearnerRecording:
    """What a message of a learner says of its recording, whether live or deleted."""

    message_id: str
    storage_key: str | None
    size_bytes: int | None
    retention_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ThresholdStanding:
    """How a measure stood to its threshold when it was last looked at."""

    above: bool  # it has risen to the threshold, and not fallen well below it since
    as_of: datetime
    crossed_at: datetime | None  # when it last rose to the threshold; None: never
