"""Synthetic speech for the demo, from espeak-ng in a separate process."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from schema.errors.analysis import VoiceFailed
from schema.errors.base import KaiwaError
from tasks.analysis import voice, wire

SAMPLE_RATE_HZ = wire.VOICE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice; one of another language speaks English with an accent."""

    name: str  # espeak-ng's language and variant, such as "en-us+f4"
    words_per_minute: int = 150
    pitch: int = 50  # 0 to 99


class SynthesisFailed(KaiwaError):
    """espeak-ng failed to synthesise speech."""

    voice: str

    def __str__(self) -> str:
        return (
            f"espeak-ng failed to speak as {self.voice!r}. Check the name of the voice, and "
            "install the extra `local`, as `make demo` does, if it is missing."
        )


@cache
def _process() -> voice.Voice:
    """Return the process of this one, with which it ends."""
    return voice.Voice()


def speak(text: str, speaker: Voice) -> NDArray[np.float32]:
    """Return `text` as samples in [-1, 1], mono, `SAMPLE_RATE_HZ`.

    The result is the same every time, except for voices with random breath noise (`+f2`, `+f3` and
    `+f5`).

    Raises:
        SynthesisFailed: If the voice does not exist or espeak-ng is not installed.
    """
    try:
        reading = wire.Reading(
            text=text,
            voice=speaker.name,
            words_per_minute=speaker.words_per_minute,
            pitch=speaker.pitch,
        )
        _, samples = _process().read_aloud(reading)
    except (ValidationError, VoiceFailed):
        raise SynthesisFailed(speaker.name) from None
    return np.frombuffer(samples, dtype="<i2").astype(np.float32) / np.float32(32768)
