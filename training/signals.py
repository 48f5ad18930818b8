"""Signal processing shared by channels and impostors: float32, mono, 16 kHz."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.waveform import SAMPLE_RATE_HZ

Waveform = NDArray[np.float32]

_FRAME: Final = 320
# Frames this far below the loud ones contain no speech.
_ACTIVE_RANGE_DB: Final = 30.0


def speech_power(waveform: Waveform) -> float:
    """Return the mean power of the 20 ms frames with speech; 0 for digital silence."""
    whole = len(waveform) // _FRAME * _FRAME
    if not whole:
        return float(np.mean(np.square(waveform)))
    power = np.square(waveform[:whole]).reshape(-1, _FRAME).mean(axis=1, dtype=np.float64)
    active = power >= np.quantile(power, 0.95) * 10 ** (-_ACTIVE_RANGE_DB / 10)
    return float(power[active].mean())


def mixed(waveform: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Add `noise` at this ratio to the speech; without speech nothing is added."""
    noise_power = float(np.mean(np.square(noise)))
    if not noise_power:
        return waveform.copy()
    scale = np.sqrt(speech_power(waveform) / noise_power) * 10 ** (-snr_db / 20)
    return turned_down(waveform + scale * noise)


def filtered(waveform: Waveform, response: Callable[[NDArray[Any]], NDArray[Any]]) -> Waveform:
    """Apply an amplitude response over frequency in Hz with zero phase, hence without delay."""
    n = len(waveform)
    size = _fft_size(n + SAMPLE_RATE_HZ // 4)  # ringing dies away in the padding
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(waveform, size) * response(hertz)
    return np.fft.irfft(spectrum, size)[:n].astype(np.float32)


def convolved(waveform: Waveform, impulse_response: NDArray[Any]) -> Waveform:
    """Return the first `len(waveform)` samples of the convolution."""
    size = _fft_size(len(waveform) + len(impulse_response))
    product = np.fft.rfft(waveform, size) * np.fft.rfft(impulse_response, size)
    return np.fft.irfft(product, size)[: len(waveform)].astype(np.float32)


def _fft_size(n: int) -> int:
    return 1 << (n - 1).bit_length()


def fitted(waveform: Waveform, n: int) -> Waveform:
    """Cut or pad to `n` samples and clip to [-1, 1], since codecs and resamplers are inexact."""
    samples = np.zeros(n, np.float32)
    kept = min(n, len(waveform))
    samples[:kept] = np.clip(waveform[:kept], -1.0, 1.0)
    return samples


def turned_down(waveform: Waveform) -> Waveform:
    """Scale down to full scale instead of clipping, which is a separate channel."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return (waveform / max(peak, 1.0)).astype(np.float32)
