"""Frozen facts that travel between stores, policy and tasks."""

from dataclasses import dataclass
from uuid import UUID


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
