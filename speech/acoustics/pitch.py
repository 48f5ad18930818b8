"""Measure fundamental frequency, periodicity and energy for each frame of the cepstra.

The autocorrelation of the windowed signal, divided by that of the window (Boersma 1993), is
searched twice: the second time near the median of the surrounding voiced frames, which removes
most octave errors.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from speech.acoustics.front_end import FRAME_SHIFT, WINDOW_SAMPLES, frame_count
from speech.waveform import SAMPLE_RATE_HZ

_RATE_HZ: Final = 8_000  # enough for the harmonics of a voice
_HOP: Final = FRAME_SHIFT * _RATE_HZ // SAMPLE_RATE_HZ
_FRAME: Final = 320  # two periods of the deepest voice
_FFT_SIZE: Final = 512  # the longest lag does not wrap around
_FRAMES_AT_ONCE: Final = 256  # their spectra fit into the cache

_PITCH_HZ: Final = (60, 400)
# One more lag on either side, to recognise a peak.
_LAGS: Final = np.arange(_RATE_HZ // _PITCH_HZ[1] - 1, _RATE_HZ // _PITCH_HZ[0] + 2)
_OCTAVES: Final = np.log2(_LAGS[1:-1]).astype(np.float32)
# Autocorrelation is as high after two periods as after one; this cost decides for one.
_OCTAVE_COST: Final = 0.06
_JUMP_COST: Final = 0.6  # per octave away from the surrounding frames
_AROUND: Final = 20  # voiced frames on either side

# Harmonics of a voice fill the band from here on; mains hum and rumble lie below it. A frame with
# less than a thousandth of its energy in the band holds no voice.
_BAND_FROM_HZ: Final = 250
_MIN_BAND_SHARE: Final = 1e-3
# A frame is voiced if its autocorrelation at one period is this high; white noise of this length
# reaches 0.4, vowels 0.8 and more.
MIN_PERIODICITY: Final = 0.5
# Frames this far below the loudest ones are background, whatever its absolute level.
RANGE_DB: Final = 35.0
LOUDEST: Final = 0.95  # the quantile of energy that counts as such
SILENCE_DB: Final = -100.0

_WINDOW: Final = np.hanning(_FRAME + 2)[1:-1].astype(np.float32)
_WINDOW_CORRELATION: Final = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, _FFT_SIZE)) ** 2)
_UNBIAS: Final = (_WINDOW_CORRELATION[0] / _WINDOW_CORRELATION[_LAGS]).astype(np.float32)
_HERTZ: Final = np.fft.rfftfreq(_FFT_SIZE, 1 / _RATE_HZ).astype(np.float32)
_BELOW_BAND: Final = int(np.searchsorted(_HERTZ, _BAND_FROM_HZ))


@dataclass(frozen=True, slots=True, eq=False)
class Pitch:
    """One value per frame of the cepstra, shape (T,) each, float32.

    Attributes:
        hz: Fundamental frequency, 60 to 400; 0 where unvoiced.
        periodicity: Autocorrelation of the frame at one period, 0 to 1.
        energy_db: In the band of a voice, relative to the loudest 5 % of frames; at least
            `SILENCE_DB`.
        loudest: The energy that 0 dB stands for.
    """

    hz: NDArray[np.float32]
    periodicity: NDArray[np.float32]
    energy_db: NDArray[np.float32]
    loudest: float

    def part(self, frames: slice) -> Self:
        """Return a part of the frames, with levels relative to the loudest of them."""
        energy = self.energy_db[frames]
        loudest = self.loudest
        loudest_db = np.float32(np.quantile(energy, LOUDEST))
        if loudest_db > SILENCE_DB:
            energy = np.where(energy > SILENCE_DB, energy - loudest_db, SILENCE_DB)
            loudest *= 10 ** (float(loudest_db) / 10)
        return type(self)(
            self.hz[frames], self.periodicity[frames], energy.astype(np.float32), loudest
        )


def pitch(waveform: NDArray[np.float32]) -> Pitch:
    """Measure pitch; levels are relative, so gain does not matter.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.
    """
    frames = _frames(waveform)
    energy = np.empty(len(frames), np.float32)
    autocorrelation = np.empty((len(frames), len(_LAGS)), np.float32)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        block = slice(first, first + _FRAMES_AT_ONCE)
        energy[block], autocorrelation[block] = _energy_and_autocorrelation(frames[block])
    loudest = float(np.quantile(energy, LOUDEST)) or float(energy.max()) or 1.0
    energy_db = _relative_db(energy, loudest)
    lag, periodicity = _best_lag(autocorrelation, _OCTAVE_COST * _OCTAVES)
    voiced = np.flatnonzero((periodicity >= MIN_PERIODICITY) & (energy_db > -RANGE_DB))
    hz = np.zeros(len(frames), np.float32)
    if len(voiced):
        jumps = np.abs(_OCTAVES - _median_around(np.log2(lag[voiced]))[:, None])
        lag, closer = _best_lag(autocorrelation[voiced], _JUMP_COST * jumps)
        hz[voiced] = np.where(closer >= MIN_PERIODICITY, _RATE_HZ / lag, 0)
    return Pitch(hz, np.clip(periodicity, 0, 1), energy_db, loudest)


def _frames(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return windows at 8 kHz around the middle of each frame of the cepstra, shape (T, 320)."""
    resampled = soxr.resample(waveform, SAMPLE_RATE_HZ, _RATE_HZ)
    count = frame_count(len(waveform))
    before = _FRAME // 2 - WINDOW_SAMPLES // 2 * _RATE_HZ // SAMPLE_RATE_HZ
    padded = np.zeros(max((count - 1) * _HOP + _FRAME, before + len(resampled)), np.float32)
    padded[before : before + len(resampled)] = resampled
    return np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[: count * _HOP : _HOP]


def _energy_and_autocorrelation(
    frames: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the energy in the band, shape (m,), and the autocorrelation, shape (m, lags)."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(centred * _WINDOW, _FFT_SIZE)
    power = np.square(spectra.real) + np.square(spectra.imag)
    total = power.sum(axis=1)
    power[:, :_BELOW_BAND] = 0
    energy = power.sum(axis=1)
    power *= _HERTZ  # rumble falls with frequency; tilted back, its autocorrelation is low
    correlation = np.fft.irfft(power)
    is_in_band = (energy > _MIN_BAND_SHARE * total) & (correlation[:, 0] > 0)
    whole = np.where(is_in_band, correlation[:, 0], np.inf)
    return energy, correlation[:, _LAGS] * _UNBIAS / whole[:, None]


def _relative_db(energy: NDArray[np.float32], loudest: float) -> NDArray[np.float32]:
    with np.errstate(divide="ignore"):
        relative_db = 10 * np.log10(energy / np.float32(loudest))
    return np.asarray(np.maximum(relative_db, SILENCE_DB), np.float32)


def _median_around(values: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(values, _AROUND, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)
    return np.asarray(np.median(windows, axis=1), np.float32)


def _best_lag(
    autocorrelation: NDArray[np.float32], costs: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the lag, in samples, of the highest autocorrelation, and its value; shape (m,)."""
    left, peak, right = autocorrelation[:, :-2], autocorrelation[:, 1:-1], autocorrelation[:, 2:]
    is_peak = (peak >= left) & (peak >= right)
    # Interpolate the peak by a parabola through three points.
    slope = (right - left) / 2
    bend = np.minimum(left - 2 * peak + right, np.float32(-1e-6))
    top = np.where(is_peak, peak - slope**2 / (2 * bend), 0)
    offset = np.where(is_peak, -slope / bend, 0)
    best = (top - costs).argmax(axis=1)
    rows = np.arange(len(best))
    return (_LAGS[best + 1] + offset[rows, best]).astype(np.float32), top[rows, best]
