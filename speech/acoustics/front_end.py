"""Compute the features that the acoustic model was trained on.

Mel-frequency cepstra (Davis & Mermelstein 1980) of frames of 25.6 ms every 10 ms, after the noise
removal of pocketsphinx, which tracks the spectrum's minima (Doblinger 1995) and masks what
follows a loud sound (Kim & Stern 2012). All constants are those of the model.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.waveform import SAMPLE_RATE_HZ

FRAME_SECONDS: Final = 0.01
FRAME_SHIFT: Final = 160  # samples
WINDOW_SAMPLES: Final = 410
_FFT_SIZE: Final = 512
_FRAMES_AT_ONCE: Final = 256  # their spectra fit into the cache
# The model expects 16-bit samples; scaling to half their range keeps quiet recordings precise.
_PEAK: Final = 16_384.0

_FILTERS: Final = 25
_BAND_HZ: Final = (130.0, 6_800.0)
_CEPSTRA: Final = 13
_LIFTER: Final = 22
_LOG_FLOOR: Final = 1e-4

_POWER_DECAY: Final = 0.7
_NOISE_RISE, _NOISE_FALL = 0.995, 0.5
_PEAK_DECAY: Final = 0.85
_MASKED_SHARE: Final = 0.2
_MAX_GAIN: Final = 20.0
_SMOOTHED_FILTERS: Final = 4  # on either side
_TINY: Final = 1e-30  # lower bound of power as a divisor


def cepstra(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute cepstra; apart from rounding they do not depend on the recording's level.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.

    Returns:
        Shape (T, 13), T = `frame_count(n)`; frame t begins at sample 160 t.
    """
    spectra = _without_noise(_mel_spectra(waveform))
    logarithms: NDArray[np.float32] = np.log(spectra + np.float32(_LOG_FLOOR))
    return logarithms @ _COSINES


def features(cepstra: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return cepstra without their mean, their velocity and acceleration, shape (T, 39)."""
    loud = cepstra[cepstra[:, 0] >= 0]
    mean = (loud if len(loud) else cepstra).mean(axis=0, dtype=np.float64)
    centred = cepstra - mean.astype(np.float32)
    padded = np.pad(centred, ((3, 3), (0, 0)), mode="edge")
    slope = padded[4:] - padded[:-4]  # over two frames on either side
    return np.hstack([centred, slope[1:-1], slope[2:] - slope[:-2]])


def frame_count(samples: int) -> int:
    """Return the number of frames of a recording; the last one reaches beyond its end."""
    return 1 + max(0, 1 + (samples - WINDOW_SAMPLES) // FRAME_SHIFT)


def _mel_spectra(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power in each mel filter, shape (T, 25)."""
    count = frame_count(len(waveform))
    padded = np.zeros((count - 1) * FRAME_SHIFT + WINDOW_SAMPLES, np.float32)
    emphasised = padded[: len(waveform)]
    scale = np.float32(_PEAK / (float(np.abs(waveform).max()) or 1.0))
    np.multiply(waveform, scale, out=emphasised)
    emphasised[1:] -= np.float32(0.97) * emphasised[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::FRAME_SHIFT]
    mel = np.empty((count, _FILTERS), np.float32)
    for first in range(0, count, _FRAMES_AT_ONCE):
        block = slice(first, first + _FRAMES_AT_ONCE)
        spectrum = np.fft.rfft(frames[block] * _WINDOW, _FFT_SIZE)
        parts = spectrum.view(np.float32)
        np.square(parts, out=parts)
        np.matmul(parts, _MEL_FILTERS, out=mel[block])
    return mel


def _without_noise(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Attenuate filters that contain little but steady noise, shape (T, 25)."""
    power = _smoothed(mel)
    noise = _lower_envelope(power, power[0] / _MAX_GAIN)
    signal = np.maximum(power - noise, 1.0)
    floor = _lower_envelope(signal, mel[0] / _MAX_GAIN)
    signal = np.maximum(_temporally_masked(signal), floor)
    gain = np.clip(signal / np.maximum(power, _TINY), 1 / _MAX_GAIN, _MAX_GAIN)
    return np.asarray(mel * (gain @ _SMOOTHING), np.float32)


def _smoothed(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """First-order smoothing, p[t] = 0.7 p[t-1] + 0.3 mel[t], by doubling its reach."""
    power = np.float32(1 - _POWER_DECAY) * mel
    power[0] = mel[0]
    shift = 1
    while shift < len(mel) and (decay := _POWER_DECAY**shift) > 1e-12:
        power[shift:] += np.float32(decay) * power[:-shift]
        shift *= 2
    return power


def _lower_envelope(values: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    """Follow values downwards at once and upwards slowly.

    Both steps are linear and the lower one applies. This is the only recursion that must run
    frame by frame.
    """
    keep = np.array([[_NOISE_RISE], [_NOISE_FALL]], np.float32)
    steps = (1 - keep) * values[:, None, :]
    envelope = np.empty_like(values)
    last = start
    for step, into in zip(steps, envelope, strict=True):
        step += keep * last
        last = np.minimum(step[0], step[1], out=into)
    return envelope


def _temporally_masked(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise whatever a preceding loud sound masks to a share of its decaying peak."""
    peak = signal.copy()
    shift = 1
    # The signal is at least 1, so a peak that has decayed below that no longer counts.
    while shift < len(peak) and _PEAK_DECAY**shift * float(signal.max()) >= 1:
        np.maximum(peak[shift:], np.float32(_PEAK_DECAY**shift) * peak[:-shift], out=peak[shift:])
        shift *= 2
    decayed = np.zeros_like(peak)
    np.multiply(peak[:-1], np.float32(_PEAK_DECAY), out=decayed[1:])
    is_masked = signal < np.float32(_PEAK_DECAY) * decayed
    return np.where(is_masked, np.float32(_MASKED_SHARE) * decayed, signal)


def mel_filters(edges_hz: NDArray[np.float64], fft_size: int) -> NDArray[np.float32]:
    """Return triangular filters of unit area for a spectrum's squared parts.

    Args:
        edges_hz: Shape (n + 2,): where each filter begins; its peak and its end are the next two.
        fft_size: Samples, even.

    Returns:
        Shape (fft_size + 2, n): real and imaginary parts alternate.
    """
    left, centre, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    hertz = SAMPLE_RATE_HZ / fft_size * np.arange(fft_size // 2 + 1)[:, None]
    rising = (hertz - left) / (centre - left)
    falling = (right - hertz) / (right - centre)
    triangles = np.maximum(np.minimum(rising, falling), 0) * 2 / (right - left)
    return np.repeat(triangles, 2, axis=0).astype(np.float32)


def _model_edges_hz() -> NDArray[np.float64]:
    bin_hz = SAMPLE_RATE_HZ / _FFT_SIZE
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in _BAND_HZ)
    edges_hz = 700 * (10 ** (np.linspace(lowest, highest, _FILTERS + 2) / 2595) - 1)
    return np.asarray(np.floor(edges_hz / bin_hz + 0.5) * bin_hz)


def _cosines() -> NDArray[np.float32]:
    """Return discrete cosine transform and liftering as one matrix, shape (25, 13)."""
    orders = np.arange(_CEPSTRA)
    basis = np.cos(np.pi / _FILTERS * orders * (np.arange(_FILTERS)[:, None] + 0.5))
    basis *= np.sqrt(np.where(orders == 0, 1, 2) / _FILTERS)
    lifter = 1 + _LIFTER // 2 * np.sin(orders * np.pi / _LIFTER)
    return np.asarray(basis * lifter, np.float32)


def _smoothing() -> NDArray[np.float32]:
    """Return the mean over neighbouring filters, fewer at the ends, as a matrix (25, 25)."""
    filters = np.arange(_FILTERS)
    near = np.abs(filters[:, None] - filters) <= _SMOOTHED_FILTERS
    return np.asarray(near / near.sum(axis=0), np.float32)


_WINDOW: Final = np.hamming(WINDOW_SAMPLES).astype(np.float32)
_MEL_FILTERS: Final = mel_filters(_model_edges_hz(), _FFT_SIZE)
_COSINES: Final = _cosines()
_SMOOTHING: Final = _smoothing()
