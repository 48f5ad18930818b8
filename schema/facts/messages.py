"""Facts about new messages."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewAudio:
    """An uploaded recording, as the app describes it."""

    storage_key: str
    size_bytes: int
    retention_expires_at: datetime | None
    duration_ms: int | None = None
    audio_format: str = "pcm16"
    sample_rate_hz: int = 24_000
    channels: int = 1
    url: str | None = None
    url_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A turn of a conversation; without audio, it was typed."""

    message_id: str
    conversation_id: str
    role: str  # user, assistant or system
    content: str
    sent_at: datetime
    audio: NewAudio | None = None
