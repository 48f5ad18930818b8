"""Read format, sample rate, channels and duration of a recording from its bytes.

What the bytes do not contain, or state wrongly, stays unknown.
"""

from dataclasses import dataclass
from typing import Final

from speech.decoding.sound_file import Unreadable, open_sound
from speech.formats import MP3, Reader, identify, junk_length

# The app's default recording format: raw little-endian PCM16, mono.
_PCM_RATE_HZ: Final = 24_000
_PCM_FRAME_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """Properties of a recording; None if unknown."""

    format: str | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    duration_ms: int | None = None


def pcm_facts(size_bytes: int) -> SoundFacts:
    """Return the properties of `size_bytes` of the app's headerless PCM16."""
    frames = size_bytes // _PCM_FRAME_BYTES  # an upload may break off inside a sample
    return SoundFacts("pcm16", _PCM_RATE_HZ, 1, _milliseconds(frames, _PCM_RATE_HZ))


def file_facts(data: bytes) -> SoundFacts:
    """Return the properties of a complete file with a header.

    Of a file that needs FFmpeg only the format is returned: FFmpeg decodes strangers' files in
    worker processes alone.

    The duration is given only if the file decodes to the length its header declares. That of an
    MP3 is never given: unless its first frame states it, it is an estimate from the bit rate.
    """
    found = identify(data)
    if found is None or found.reader is Reader.NONE:
        return SoundFacts()
    if found.reader is Reader.MEDIA:
        return SoundFacts(found.name)
    try:
        sound = open_sound(data[junk_length(data) :], quiet=found is MP3)
    except Unreadable:
        return SoundFacts()
    frames = 0 if found is MP3 else sum(map(len, sound.blocks))
    length = _milliseconds(frames, sound.rate_hz) if 0 < frames == sound.declared_frames else None
    return SoundFacts(found.name, sound.rate_hz, sound.channels, length)


def _milliseconds(frames: int, rate_hz: int) -> int:
    return round(frames * 1000 / rate_hz)
