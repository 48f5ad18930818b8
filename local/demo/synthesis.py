"""Synthetic speech for the demo, from espeak-ng in a separate process."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schema.errors.base import KaiwaError

SAMPLE_RATE_HZ = 22_050  # of all espeak-ng voices
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice; one of another language speaks English with an accent."""

    name: str  # espeak-ng's language and variant, such as "en-us+f4"
    words_per_minute: int = 150
    pitch: int = 50  # 0 to 99


class SynthesisFailed(KaiwaError):
    """espeak-ng failed to synthesise speech."""

    reason: str

    def __str__(self) -> str:
        return (
            f"espeak-ng failed: {self.reason}. Install the extra `local`, as `make demo` does, if "
            "it is missing."
        )


def speak(text: str, voice: Voice) -> NDArray[np.float32]:
    """Return `text` as samples in [-1, 1], mono, `SAMPLE_RATE_HZ`.

    The result is the same every time, except for voices with random breath noise (`+f2`, `+f3` and
    `+f5`).

    Raises:
        SynthesisFailed: If the voice does not exist or espeak-ng is not installed.
    """
    arguments = [voice.name, str(voice.words_per_minute), str(voice.pitch)]
    finished = subprocess.run(
        [sys.executable, "-m", "local.demo.espeak_process", *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        last_line = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SynthesisFailed(" ".join(last_line) or f"exit {finished.returncode}")
    samples = np.frombuffer(finished.stdout, dtype="<i2").astype(np.float32)
    return samples / np.float32(32768)
