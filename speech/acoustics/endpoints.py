"""Find where speech begins and ends in a recording (endpoint detection).

The recorder decides how much silence surrounds the speech and what it is filled with, so neither
may count. Everything is measured on the speech and a margin as wide as that of the rated
recordings, over one noise floor. What is missing of the margin is added.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.background import with_noise_floor
from speech.acoustics.front_end import FRAME_SHIFT, WINDOW_SAMPLES
from speech.acoustics.pitch import LOUDEST, MIN_PERIODICITY, RANGE_DB, Pitch, pitch

# Voiceless sounds and soft syllables lie outside the clearly voiced part. Rated recordings have
# half a second of silence on either side.
MARGIN_FRAMES: Final = 50
_QUIETEST: Final = 0.1  # the quantile of energy that counts as such
# Steady noise betrays itself farther from what sounds like a voice in it.
_SURROUNDING_FRAMES: Final = 150
# Noise is periodic by chance in single frames, a voice over several.
_STEADY_FRAMES, _STEADY_LEAST = 9, 5


@dataclass(frozen=True, slots=True, eq=False)
class SpeechPart:
    """The speech of a recording with its margins.

    Attributes:
        waveform: Shape (n,), over a noise floor.
        pitch: Pitch of its frames.
        first_frame: Where it begins in the recording, to the nearest frame; negative if a part of
            the margin was added.
        samples: The recording's samples that it contains.
        surroundings: Pitch of the recording's frames up to a second and a half from the speech.
        range_db: From the quietest tenth of the speech, margins excluded, to the loudest.
        speech_frames: Length of the speech, margins excluded.
    """

    waveform: NDArray[np.float32]
    pitch: Pitch
    first_frame: int
    samples: slice
    surroundings: Pitch
    range_db: float
    speech_frames: int


def speech_part(waveform: NDArray[np.float32]) -> SpeechPart:
    """Cut the speech out of a recording; return the recording unchanged if nothing is voiced.

    Silence before and after it, of whatever length and kind, does not change the result. Frames
    count from the loudest sample, so that they fall on the same samples as without the silence.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.
    """
    shift = int(np.abs(waveform).argmax()) % FRAME_SHIFT - FRAME_SHIFT
    voice = pitch(np.concatenate([np.zeros(-shift, np.float32), waveform]))
    speech = _voiced_frames(voice)
    if not len(speech):
        whole = pitch(waveform)
        return SpeechPart(waveform, whole, 0, slice(0, len(waveform)), whole, 0.0, 0)
    first, last = int(speech[0]) - MARGIN_FRAMES, int(speech[-1]) + MARGIN_FRAMES
    start, stop = (first * FRAME_SHIFT + shift, last * FRAME_SHIFT + WINDOW_SAMPLES + shift)
    samples = slice(max(start, 0), min(stop, len(waveform)))
    spoken = np.pad(waveform[samples], (samples.start - start, stop - samples.stop))
    levels = voice.energy_db[speech[0] : speech[-1] + 1]
    quietest_db, loudest_db = np.quantile(levels, (_QUIETEST, LOUDEST)).tolist()
    margin = MARGIN_FRAMES * FRAME_SHIFT
    inner = spoken[margin : len(spoken) - margin]
    part = with_noise_floor(spoken, inner, voice.loudest * 10 ** (loudest_db / 10))
    around = slice(max(speech[0] - _SURROUNDING_FRAMES, 0), speech[-1] + _SURROUNDING_FRAMES)
    return SpeechPart(
        waveform=part,
        pitch=pitch(part),
        first_frame=round(start / FRAME_SHIFT),
        samples=samples,
        surroundings=voice.part(around),
        range_db=loudest_db - quietest_db,
        speech_frames=len(levels),
    )


def _voiced_frames(voice: Pitch) -> NDArray[np.int64]:
    """Return the frames that hold a voice, ascending."""
    is_voiced = voice.periodicity >= MIN_PERIODICITY
    around = np.convolve(is_voiced, np.ones(_STEADY_FRAMES), "same")
    is_steady = is_voiced & (around[: len(is_voiced)] >= _STEADY_LEAST)
    if not is_steady.any():
        return np.empty(0, np.int64)
    loudest = np.quantile(voice.energy_db[is_steady], LOUDEST)
    return np.flatnonzero(is_steady & (voice.energy_db >= loudest - RANGE_DB))
