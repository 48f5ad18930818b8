"""Facts about messages and their analyses."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from schema.facts.report import Report
from schema.states import FailureCause


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
class MessageRetry:
    """When a message that failed for now may be claimed again, and its counters from then on."""

    message_id: str
    delay: timedelta
    attempts: int  # failed tries so far
    crashes: int  # tries that killed their worker process


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
class AnalysisReport(Report):
    """What became of the messages claimed by a chunk, or by a whole run, and of some others.

    `claimed = analyzed + failed + retried + quarantined + lost`.
    """

    claimed: int = 0
    analyzed: int = 0
    broken: int = 0  # of the analysed, those that break a rule of data quality; set aside
    broken_rules: Counter[str] = field(default_factory=Counter)  # how many of them, by rule
    failed: int = 0  # for good; the message says why
    retried: int = 0  # given back, to be tried again later
    quarantined: int = 0  # killed their worker too often
    lost: int = 0  # deleted, or taken over by another worker, while being analysed
    causes: Counter[FailureCause] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    scores_put_back: int = 0  # that the app's saving again had emptied
    without_engine: Counter[str] = field(default_factory=Counter)  # go on waiting, by language

    @property
    def not_analyzed(self) -> int:
        """Messages that were tried and have no analysis now."""
        return self.failed + self.retried + self.quarantined
