"""Add a faint noise floor, so that silence is the same whatever made it.

Recorders, codecs and editors fill silence with zeros, dither or noise, which a model trained on
rooms takes for something else than silence.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.pitch import pitch
from speech.waveform import SAMPLE_RATE_HZ

# Below the background of nine in ten of the rated recordings, and above dither.
_FLOOR_DB: Final = -50.0  # from the loudest speech
_BLOCK_SAMPLES: Final = 2**17
_FLAT_BELOW_HZ: Final = 100.0
# Recordings with less than this share of their power above the band of a telephone get no noise
# there either: the model has learnt from telephones.
_TELEPHONE_HZ: Final = 3_800
_EXAMINED_HZ: Final = 4_200
_LEAST_SHARE: Final = 1e-6


def with_noise_floor(
    waveform: NDArray[np.float32], speech: NDArray[np.float32], loudest: float
) -> NDArray[np.float32]:
    """Add the noise of a quiet room; the same waveform always gets the same noise.

    Args:
        waveform: Shape (n,), mono at 16 kHz.
        speech: The part of it that has no silence around it.
        loudest: Energy of the loudest speech, as in `Pitch.loudest`.
    """
    noise, energy = _noise(is_telephone=_is_telephone(speech))
    level = np.sqrt(loudest / energy) * 10 ** (_FLOOR_DB / 20)
    return waveform + np.float32(level) * np.resize(noise, len(waveform))


def _is_telephone(speech: NDArray[np.float32]) -> bool:
    power = np.square(np.abs(np.fft.rfft(speech[:_BLOCK_SAMPLES])))
    above = 2 * len(power) * _EXAMINED_HZ // SAMPLE_RATE_HZ
    return bool(power[above:].sum() < _LEAST_SHARE * power.sum())


@cache
def _noise(*, is_telephone: bool) -> tuple[NDArray[np.float32], float]:
    """Return noise that falls by 3 dB per octave and can be repeated, and its energy."""
    white = np.random.default_rng(0).standard_normal(_BLOCK_SAMPLES, np.float32)
    hertz = np.fft.rfftfreq(_BLOCK_SAMPLES, 1 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(white) * np.maximum(hertz, _FLAT_BELOW_HZ) ** -0.5
    if is_telephone:
        spectrum[hertz > _TELEPHONE_HZ] = 0
    noise = np.fft.irfft(spectrum).astype(np.float32)
    return noise, pitch(noise).loudest
