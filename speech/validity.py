"""Is this speech at all? Asked before any score is given.

Without this gate an aligner gives confident numbers to silence and noise. Whether it is the
transcript that is said shows only in the alignment; see `speech.scores`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.errors import NoSpeech
from speech.waveform import SAMPLE_RATE_HZ

# Frames for voicing: two periods of the deepest voice, a new one every 20 ms.
_FRAME: Final = 640
_HOP: Final = 320
_FRAMES_AT_ONCE: Final = 2_000  # bounds memory for ten minutes of audio
_PITCH_HZ: Final = (60, 400)
# Harmonics of a voice fill this band; mains hum and rumble lie below it. A frame with less than a
# thousandth of its energy in the band holds no voice.
_BAND_HZ: Final = (250, 4_000)
_MIN_BAND_SHARE: Final = 1e-3
# A window keeps a strong hum from leaking into the band; its own autocorrelation is divided out.
_WINDOW: Final = np.hanning(_FRAME)
_WINDOW_CORRELATION: Final = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, 2 * _FRAME)) ** 2)
# A frame is voiced if it resembles itself one period later; white noise of this length reaches
# 0.3, vowels 0.8 and more (Boersma 1993).
_MIN_PERIODICITY: Final = 0.5
# Frames this far below the loudest ones are background, whatever its absolute level.
_RANGE_DB: Final = 35.0
_MIN_VOICED_SECONDS: Final = 0.1
# Of what is loud; steady noise is loud throughout and resembles itself now and then.
_MIN_VOICED_SHARE: Final = 0.1


def require_speech(waveform: NDArray[np.float32]) -> float:
    """Refuse recordings in which nobody speaks; levels are relative, so gain does not matter.

    Args:
        waveform: Shape (n,), mono at 16 kHz.

    Returns:
        Seconds of voiced sound.

    Raises:
        NoSpeech: If it is silent, or less than a syllable of it is voiced.
    """
    if not waveform.any():
        raise NoSpeech(reason="the recording is digital silence")
    loud_seconds, voiced_seconds = _loud_and_voiced(waveform)
    if voiced_seconds < max(_MIN_VOICED_SECONDS, _MIN_VOICED_SHARE * loud_seconds):
        raise NoSpeech(reason=f"only {1000 * voiced_seconds:.0f} ms of it sound like a voice")
    return voiced_seconds


def _loud_and_voiced(waveform: NDArray[np.float32]) -> tuple[float, float]:
    """Seconds that are not background, and seconds of those that are periodic like a voice."""
    if len(waveform) < _FRAME:
        return 0.0, 0.0
    frames = np.lib.stride_tricks.sliding_window_view(waveform, _FRAME)[::_HOP]
    parts = [
        _energy_and_periodicity(frames[first : first + _FRAMES_AT_ONCE])
        for first in range(0, len(frames), _FRAMES_AT_ONCE)
    ]
    energy, periodicity = (np.concatenate(values) for values in zip(*parts, strict=True))
    loud = energy > np.quantile(energy, 0.95) * 10 ** (-_RANGE_DB / 10)
    voiced = loud & (periodicity >= _MIN_PERIODICITY)
    return float(loud.sum() * _HOP / SAMPLE_RATE_HZ), float(voiced.sum() * _HOP / SAMPLE_RATE_HZ)


def _energy_and_periodicity(
    frames: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy in the band of a voice, and how much a frame resembles itself a period later.

    Args:
        frames: Shape (m, `_FRAME`).

    Returns:
        Two arrays of shape (m,): energy, and the autocorrelation's peak within the pitch range
        relative to lag 0, at most about 1; 0 where the band holds nothing.
    """
    centred = frames - frames.mean(axis=1, keepdims=True, dtype=np.float64)
    power = np.abs(np.fft.rfft(centred * _WINDOW, 2 * _FRAME, axis=1)) ** 2
    total = power.sum(axis=1)
    hertz = np.fft.rfftfreq(2 * _FRAME, 1 / SAMPLE_RATE_HZ)
    power[:, (hertz < _BAND_HZ[0]) | (hertz > _BAND_HZ[1])] = 0
    energy = power.sum(axis=1)
    power *= hertz  # rumble falls with frequency; tilted back, it no longer resembles itself
    correlation = np.fft.irfft(power, axis=1)
    shortest, longest = (SAMPLE_RATE_HZ // hz for hz in reversed(_PITCH_HZ))
    lags = np.arange(shortest, longest + 1)
    unbiased = correlation[:, lags] * (_WINDOW_CORRELATION[0] / _WINDOW_CORRELATION[lags])
    is_in_band = energy > _MIN_BAND_SHARE * total
    peak = unbiased.max(axis=1) / np.where(is_in_band, correlation[:, 0], 1.0)
    return energy, np.where(is_in_band, peak, 0.0)
