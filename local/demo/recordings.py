"""What the demo uploads: recordings, their encoding and their expected outcome."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from schema.states import ProcessingState, UserTier


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a recording is stored and how the app declares it."""

    audio_format: str  # `messages.audio_format`
    sample_rate_hz: int
    channels: int
    container: str  # libsndfile's names; RAW has no header
    subtype: str
    extension: str
    content_type: str


# The app uploads samples without a header under keys that end in .wav.
RAW_PCM16 = Encoding("pcm16", 24_000, 1, "RAW", "PCM_16", "wav", "audio/wav")
WAV_16K = Encoding("wav", 16_000, 1, "WAV", "PCM_16", "wav", "audio/wav")
WAV_44K = Encoding("wav", 44_100, 1, "WAV", "PCM_24", "wav", "audio/wav")
WAV_48K_STEREO = Encoding("wav", 48_000, 2, "WAV", "FLOAT", "wav", "audio/wav")
G711_ULAW = Encoding("g711_ulaw", 8_000, 1, "RAW", "ULAW", "ulaw", "audio/basic")
G711_ALAW = Encoding("g711_alaw", 8_000, 1, "RAW", "ALAW", "alaw", "audio/x-alaw-basic")
MP3 = Encoding("mp3", 24_000, 1, "MP3", "MPEG_LAYER_III", "mp3", "audio/mpeg")
FLAC = Encoding("flac", 16_000, 1, "FLAC", "PCM_16", "flac", "audio/flac")
OGG = Encoding("ogg", 48_000, 1, "OGG", "VORBIS", "ogg", "audio/ogg")
ENCODINGS = (
    RAW_PCM16,
    WAV_16K,
    WAV_44K,
    WAV_48K_STEREO,
    G711_ULAW,
    G711_ALAW,
    MP3,
    FLAC,
    OGG,
)


def encode(samples: NDArray[np.float32], rate_hz: int, encoding: Encoding) -> bytes:
    """Encode mono samples in [-1, 1] as the app would upload them."""
    resampled = soxr.resample(samples, rate_hz, encoding.sample_rate_hz).clip(-1, 1)
    file = io.BytesIO()
    soundfile.write(
        file,
        np.repeat(resampled[:, np.newaxis], encoding.channels, axis=1),
        encoding.sample_rate_hz,
        format=encoding.container,
        subtype=encoding.subtype,
        endian="LITTLE" if encoding.container == "RAW" else None,
    )
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Learner:
    """A speaker; tier None has no subscription, GUEST has no account."""

    name: str
    tier: UserTier | None


@dataclass(frozen=True, slots=True)
class Expected:
    """The outcome that a message must have; `error` is a part of the message's error."""

    state: ProcessingState
    error: str = ""


ANALYZED = Expected(ProcessingState.ANALYZED)
UNTOUCHED = Expected(ProcessingState.PENDING)


@dataclass(frozen=True, slots=True)
class Experts:
    """Experts' ratings of a recording, 0 to 10; the mean of five."""

    accuracy: float
    fluency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One message to upload.

    Attributes:
        audio: None for a typed message.
        is_missing: The row says uploaded, but the bucket has no object.
        expected: None for real learners, whose outcome is not known beforehand.
    """

    learner: Learner
    text: str
    language: str = "en"
    audio: bytes | None
    encoding: Encoding
    duration_seconds: float
    is_missing: bool = False
    expected: Expected | None
    experts: Experts | None = None
