"""Find where speech begins and ends in a recording (endpoint detection).

Silence before and after must not count: the mean of the cepstra, levels and shares of time are
taken over the speech and a margin as wide as that of the rated recordings.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.front_end import FRAME_SHIFT, WINDOW_SAMPLES
from speech.acoustics.pitch import LOUDEST, MIN_PERIODICITY, RANGE_DB, Pitch, pitch

# Voiceless sounds and soft syllables lie outside the clearly voiced part, more of them in noise.
# Rated recordings have half a second of silence on either side.
_MARGIN_FRAMES, _NOISY_MARGIN_FRAMES = 75, 150
_NOISY_DB: Final = 20.0  # from the background to the loudest
_BACKGROUND: Final = 0.1
# Noise is periodic by chance in single frames, a voice over several.
_STEADY_FRAMES, _STEADY_LEAST = 9, 5


@dataclass(frozen=True, slots=True, eq=False)
class SpeechPart:
    """The part of a recording that contains speech.

    Attributes:
        waveform: Shape (n,), samples of this part.
        pitch: Pitch of its frames.
        first_frame: Where it begins in the recording.
    """

    waveform: NDArray[np.float32]
    pitch: Pitch
    first_frame: int


def speech_part(waveform: NDArray[np.float32]) -> SpeechPart:
    """Trim silence before and after the speech; keep everything if nothing is voiced.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.
    """
    whole = pitch(waveform)
    start, end = endpoints(whole)
    # Exactly the samples of these frames; the recording's last frame reaches beyond its end.
    is_last = end == len(whole.hz)
    stop = len(waveform) if is_last else (end - 2) * FRAME_SHIFT + WINDOW_SAMPLES
    return SpeechPart(waveform[start * FRAME_SHIFT : stop], whole.part(slice(start, end)), start)


def endpoints(voice: Pitch) -> tuple[int, int]:
    """Return the first frame of the speech and one past its last, margins included."""
    is_voiced = voice.periodicity >= MIN_PERIODICITY
    around = np.convolve(is_voiced, np.ones(_STEADY_FRAMES), "same")
    is_steady = is_voiced & (around[: len(is_voiced)] >= _STEADY_LEAST)
    if not is_steady.any():
        return 0, len(is_voiced)
    loudest = np.quantile(voice.energy_db[is_steady], LOUDEST)
    is_noisy = loudest - np.quantile(voice.energy_db, _BACKGROUND) < _NOISY_DB
    margin = _NOISY_MARGIN_FRAMES if is_noisy else _MARGIN_FRAMES
    (speech,) = np.nonzero(is_steady & (voice.energy_db >= loudest - RANGE_DB))
    return max(0, int(speech[0]) - margin), min(len(is_voiced), int(speech[-1]) + 1 + margin)
