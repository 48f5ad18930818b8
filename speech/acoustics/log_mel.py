"""Compute the log-mel spectrum that Whisper was trained on (Radford et al. 2022).

80 filters on Slaney's mel scale (1998), over frames of 25 ms every 10 ms.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.front_end import mel_filters

FILTERS: Final = 80
FRAME_SHIFT: Final = 160  # samples
_WINDOW_SAMPLES: Final = 400
_FRAMES_AT_ONCE: Final = 128  # their spectra fit into the cache

# Decades. Whisper keeps what lies at most 8 below the loudest value, then maps -4 to 0 and 0 to 1.
_RANGE: Final = 8.0
# The loudest value in a recording of usual level. Whisper takes it as it is; here it is always
# this one, so that the spectrum does not depend on the recording's level.
_LOUDEST: Final = 1.5
_LEAST: Final = 1e-30  # power, for digital silence


def log_mel(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the spectrum; apart from rounding it does not depend on the recording's level.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.

    Returns:
        Shape (max(1, n // 160), 80), from -0.625 to 1.375; frame t is centred on sample 160 t.
    """
    count = max(1, len(waveform) // FRAME_SHIFT)
    padded = np.pad(waveform, _WINDOW_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::FRAME_SHIFT]
    mel = np.empty((count, FILTERS), np.float32)
    for first in range(0, count, _FRAMES_AT_ONCE):
        block = slice(first, min(first + _FRAMES_AT_ONCE, count))
        parts = np.fft.rfft(frames[block] * _WINDOW).view(np.float32)
        np.square(parts, out=parts)
        np.matmul(parts, _FILTER_BANK, out=mel[block])
    loudest = max(float(mel.max()), _LEAST)
    mel /= np.float32(loudest)
    np.maximum(mel, 10**-_RANGE, out=mel)
    np.log10(mel, out=mel)
    mel += _LOUDEST + 4
    mel /= 4
    return mel


def _edges_hz() -> NDArray[np.float64]:
    """Return the filters' edges, even on a scale that is linear to 1 kHz and logarithmic beyond."""
    linear = 15  # steps up to 1 kHz
    step = np.log(6.4) / 27
    steps = np.linspace(0, linear + np.log(8) / step, FILTERS + 2)
    return np.where(steps < linear, 1000 / linear * steps, 1000 * np.exp(step * (steps - linear)))


_WINDOW: Final = np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
_FILTER_BANK: Final = mel_filters(_edges_hz(), _WINDOW_SAMPLES)
