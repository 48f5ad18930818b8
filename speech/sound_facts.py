"""What can truthfully be said of a recording without hearing it: format, rate, channels, length.

What its bytes do not tell, or tell wrongly, stays unknown.
"""

import io
from dataclasses import dataclass
from typing import Final

import soundfile

from speech.formats import has_container

# How the app records where nothing else is said: raw little-endian PCM16, mono.
_PCM_RATE_HZ: Final = 24_000
_PCM_FRAME_BYTES: Final = 2
_BLOCK_FRAMES: Final = 2**12  # FLAC loses the block in which it is damaged
# What browsers record into and libsndfile does not read: where the signature stands, and which.
_UNREAD: Final = ((0, b"\x1aE\xdf\xa3", "webm"), (4, b"ftyp", "mp4"))
_SAME_AS_WAV: Final = frozenset({"WAVEX", "RF64"})


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What is known of a recording; None: it cannot be known."""

    format: str | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    duration_ms: int | None = None


def pcm_facts(size_bytes: int) -> SoundFacts:
    """Return what is known of so many bytes of the app's headerless PCM16."""
    frames = size_bytes // _PCM_FRAME_BYTES  # an upload may break off inside a sample
    return SoundFacts("pcm16", _PCM_RATE_HZ, 1, _milliseconds(frames, _PCM_RATE_HZ))


def unread_format(beginning: bytes) -> str | None:
    """Name the format if it is one that is known but not read; None otherwise."""
    for offset, signature, name in _UNREAD:
        if beginning[offset:].startswith(signature):
            return name
    return None


def file_facts(data: bytes) -> SoundFacts:
    """Return what a whole file with a container says of itself.

    The length is given only if as much can be decoded as the header promises. The length of an MP3
    is never given: unless its first frame states it, it is only an estimate from the bit rate.
    """
    if not has_container(data):
        return SoundFacts()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            frames = 0 if sound.format == "MP3" else _decodable_frames(sound)
            name = "wav" if sound.format in _SAME_AS_WAV else sound.format.lower()
            rate_hz = sound.samplerate
            length = _milliseconds(frames, rate_hz) if 0 < frames == sound.frames else None
            return SoundFacts(name, rate_hz, sound.channels, length)
    except soundfile.LibsndfileError:
        return SoundFacts()


def _decodable_frames(sound: soundfile.SoundFile) -> int:
    """Count the frames up to the end, or to the damage."""
    frames = 0
    try:
        while block := len(sound.read(_BLOCK_FRAMES, dtype="int16")):
            frames += block
    except soundfile.LibsndfileError:
        pass  # damaged from here on
    return frames


def _milliseconds(frames: int, rate_hz: int) -> int:
    return round(frames * 1000 / rate_hz)
