"""Facts about messages and their analyses."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from schema.facts.report import Report
from schema.states import FailureCause


@dataclass(frozen=True, slots=True)
class EngineRelease:
    """An engine with its versions, as stored in `message_audio_analysis`."""

    engine: str
    version: str  # numbers separated by dots
    model_version: str

    def __str__(self) -> str:
        """Return one line, as stored in `audio_ops.backfill`."""
        return f"{self.engine} {self.version} ({self.model_version})"


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message under a lease, with everything that its analysis needs."""

    message_id: str
    storage_key: str
    text: str
    language: str  # the app's language id, e.g. "en"
    native_language: str | None  # likewise, of the learner; None for guests
    audio_format: str | None  # as declared by the app; the sniffed format takes precedence
    sample_rate_hz: int | None
    channels: int | None
    attempts: int  # failed attempts before this one
    crashes: int  # attempts that killed their worker process


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages claimed together under one lease token."""

    token: UUID
    messages: tuple[ClaimedMessage, ...]


@dataclass(frozen=True, slots=True)
class MessageRetry:
    """A retry of a failed message: the delay until it may be claimed, and its new counters."""

    message_id: str
    delay: timedelta
    attempts: int  # failed attempts so far
    crashes: int  # attempts that killed their worker process


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A position in the queue of messages that wait for analysis: by time, then by id."""

    said_at: datetime | None  # UTC; None: before year 1
    message_id: str


@dataclass(frozen=True, slots=True)
class WaitingChunk:
    """Messages to claim together: where they start in the queue, and how many."""

    start: QueuePosition
    size: int


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row of `messages`; the fields are its columns, times in UTC."""

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
    """The main figures of an analysis."""

    overall_accuracy_score: int | None
    overall_fluency_score: int | None
    speech_rate_wpm: int | None
    pause_count: int | None
    hesitation_count: int | None


@dataclass(frozen=True, slots=True)
class AnalysisReport(Report):
    """Outcomes of the messages claimed by a chunk or a run, with some related counts.

    `claimed = analyzed + failed + retried + quarantined + lost`.
    """

    claimed: int = 0
    analyzed: int = 0
    broken: int = 0  # analysed, but breaking a rule of data quality; quarantined
    broken_rules: Counter[str] = field(default_factory=Counter)  # number of cases by rule
    failed: int = 0  # permanently; the message shows why
    retried: int = 0  # returned to the queue for a retry
    quarantined: int = 0  # killed their worker process too often
    lost: int = 0  # deleted, or taken over by another worker, during the analysis
    causes: Counter[FailureCause] = field(default_factory=Counter)
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    scores_put_back: int = 0  # cleared by the app when it saved messages again
    without_engine: Counter[str] = field(
        default_factory=Counter
    )  # messages by unsupported language

    @property
    def not_analyzed(self) -> int:
        """Messages whose analysis failed."""
        return self.failed + self.retried + self.quarantined
