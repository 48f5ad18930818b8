"""Make sounds that the validity gate must refuse: none is a reading of the text.

Like channels, functions of a recording and a generator; some use only the recording's length.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.waveform import SAMPLE_RATE_HZ
from training.channels import hum
from training.signals import Waveform, filtered, turned_down

_LOUDEST: Final = 0.5
_MAJOR_SCALE: Final = np.array([0, 2, 4, 5, 7, 9, 11])  # semitones above the key note
_PARTIALS: Final = 12


def silence(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Return a muted microphone: zeros, a constant, or noise of the lowest bits."""
    n = len(waveform)
    bits = np.round(rng.normal(rng.normal(0, 20), rng.choice([0.0, 0.5, 3.0]), n))
    return (bits / 32_768 * rng.integers(2)).astype(np.float32)


def noise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Return noise of any colour from white to brown, steady or in puffs, or mains hum."""
    n = len(waveform)
    if rng.random() < 0.2:
        still = rng.normal(0, 0.1, n).astype(np.float32)
        return hum(still, rng, mains_hz=float(rng.choice([50, 60])), snr_db=-30.0)
    colour = rng.uniform(0, 1)
    white = rng.standard_normal(n, np.float32)
    sound = filtered(white, lambda hz: np.maximum(hz, 20.0) ** -colour)
    if rng.random() < 0.5:
        seconds = np.arange(n) / SAMPLE_RATE_HZ
        puffs = rng.uniform(0, 1, 2 + int(6 * seconds[-1])) ** 2  # six a second, like syllables
        sound *= np.interp(6 * seconds, np.arange(len(puffs)), puffs).astype(np.float32)
    return _levelled(sound)


def music(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Return a melody over chords in a random key, tempo and timbre, plucked or held."""
    n = len(waveform)
    sound = np.zeros(n)
    rolloff, inharmonic = rng.uniform(0.8, 2.5), rng.uniform(0, 3e-4)
    decay = rng.choice([0.5, 6.0])  # of a second: held or plucked
    for start, length, semitones, level in _notes(n, rng):
        end = min(n, start + length)
        seconds = np.arange(end - start) / SAMPLE_RATE_HZ
        vibrato = rng.uniform(0, 0.02) * np.sin(2 * np.pi * 5.5 * seconds)
        orders = np.arange(1, _PARTIALS + 1)[:, None]
        hertz = 220 * 2 ** (semitones / 12) * orders * np.sqrt(1 + inharmonic * orders**2)
        levels = np.where(hertz < SAMPLE_RATE_HZ / 2, orders**-rolloff, 0.0)
        note = (levels * np.sin(2 * np.pi * hertz * seconds + orders * vibrato)).sum(axis=0)
        edge = np.minimum(1, np.minimum(seconds, seconds[::-1]) / 0.01)
        sound[start:end] += level * note * edge * np.exp(-decay * seconds)
    return _levelled(sound.astype(np.float32))


def _notes(n: int, rng: np.random.Generator) -> Iterator[tuple[int, int, float, float]]:
    """Yield first sample, length, semitones above A3 and level of chords and melody notes."""
    key = int(rng.integers(-7, 5))
    step = round(SAMPLE_RATE_HZ * 30 / rng.uniform(70, 150))
    for bar in range(0, n, 8 * step):
        root = int(rng.choice([0, 3, 4, 5]))
        for degree in (root, root + 2, root + 4):
            yield bar, 8 * step, float(key - 12 + _semitones(degree)), 0.4
        for at in range(bar, min(bar + 8 * step, n), step):
            if rng.random() < 0.8:
                yield at, step, float(key + 12 + _semitones(int(rng.integers(7)))), 1.0


def _semitones(degree: int) -> int:
    return int(_MAJOR_SCALE[degree % 7]) + 12 * (degree // 7)


def byte_swapped(waveform: Waveform, _rng: np.random.Generator) -> Waveform:
    """Return the recording's PCM16 read with swapped bytes."""
    pcm: NDArray[np.int16] = np.round(waveform * 32_767).astype(np.int16)
    return pcm.byteswap().astype(np.float32) / np.float32(32_768)


def said_twice(waveform: Waveform, _rng: np.random.Generator) -> Waveform:
    """Return the recording twice in a row: twice as much speech as text."""
    return np.concatenate([waveform, waveform])


def _levelled(waveform: Waveform) -> Waveform:
    peak = float(np.abs(waveform).max(initial=0.0))
    return turned_down(waveform * np.float32(_LOUDEST / peak)) if peak else waveform
