"""Frozen facts that travel between stores, policy and tasks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.states import DeletionReason, UserTier


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
class ObjectFacts:
    """What HEAD says of an object."""

    key: str
    size_bytes: int
    etag: str


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
