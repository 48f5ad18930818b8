"""The encoder of Whisper tiny.en (Radford et al. 2022): what it hears, as 384 numbers every 20 ms.

Two convolutions and four transformer layers, trained by OpenAI on English speech with its texts.
`training/extract_encoder.py` makes its file; `models/whisper-tiny.en.md` describes it. Whisper pads
every recording to 30 s, which would cost most of the time; here nothing is padded.

Plain numpy, float32.
"""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.log_mel import FRAME_SHIFT, log_mel
from speech.trained_models import MODELS, Arrays, read_model
from speech.waveform import SAMPLE_RATE_HZ

Floats = NDArray[np.float32]

WIDTH: Final = 384
LAYERS: Final = 4
STATE_SHIFT: Final = 2 * FRAME_SHIFT  # samples
MAX_SECONDS: Final = 30  # as many positions as it was trained with
_HEADS: Final = 6
_LONGEST_PERIOD: Final = 10_000  # of positions, in steps of radians
# Blocks whose intermediate values fit into the cache.
_QUERIES_AT_ONCE: Final = 64
_VALUES_AT_ONCE: Final = 2**15
# x Φ(x), where Φ is the normal distribution, is within 3e-5 of x / (1 + exp(x (a + b x² + c x⁴)))
# with these three (fitted for the least largest error).
_GELU: Final = (-1.59501577, -7.40112939e-2, 7.03033929e-4)
_GELU_FLAT: Final = 36.0  # x² beyond which the polynomial turns, and Φ is 0 or 1


class WhisperEncoder:
    """Turns a waveform into states.

    Attributes:
        depth: Number of layers; those above may be missing.
    """

    def __init__(self, weights: Mapping[str, Floats], depth: int) -> None:
        self._weights, self.depth = weights, depth
        self._positions = _positions()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a `.npz` of `training.extract_encoder`.

        Raises:
            DamagedModel: If the file is missing, incomplete or of another kind.
        """
        return read_model(path, cls._from_arrays)

    @classmethod
    def _from_arrays(cls, arrays: Arrays) -> Self:
        weights = {name: array.astype(np.float32) for name, array in arrays.items()}
        encoder = cls(weights, int(weights.pop("depth").item()))
        # Encoding a few samples proves that all arrays exist and fit.
        states = encoder.states(np.zeros(1, np.float32), [encoder.depth])[encoder.depth]
        if not np.isfinite(states).all():
            message = "not all of its numbers are finite"
            raise ValueError(message)
        return encoder

    def states(self, waveform: Floats, layers: Collection[int] = (LAYERS,)) -> dict[int, Floats]:
        """Encode one piece of speech; the same waveform gives the same states, bit for bit.

        Args:
            waveform: Shape (n,), n > 0, mono at 16 kHz, at most 30 s; its level does not matter.
            layers: Whose states to return, from 1 to `depth`. Higher ones are not computed.

        Returns:
            By layer, shape (T, 384), T = `state_count(n)`; state t is centred on sample 320 t.

        Raises:
            ValueError: If the waveform is longer.
        """
        if len(waveform) > MAX_SECONDS * SAMPLE_RATE_HZ:
            msg = f"{len(waveform) / SAMPLE_RATE_HZ:.1f} s are too long to encode: split them."
            raise ValueError(msg)
        states = self._convolved("conv2", self._convolved("conv1", log_mel(waveform), 1), 2)
        states += self._positions[: len(states)]
        wanted = {}
        for layer in range(1, max(layers) + 1):
            self._attend(f"layers.{layer}", states)
            self._feed_forward(f"layers.{layer}", states)
            if layer in layers:
                wanted[layer] = states.copy()
        if LAYERS in wanted:
            wanted[LAYERS] = self._normalised("after", states)
        return wanted

    def _convolved(self, name: str, values: Floats, stride: int) -> Floats:
        """Apply a convolution three steps wide."""
        width = values.shape[1]
        steps = np.pad(values, ((1, 1), (0, 0))).ravel()
        beside = np.lib.stride_tricks.sliding_window_view(steps, 3 * width)[:: stride * width]
        return _gelu(self._dense(name, np.ascontiguousarray(beside)))

    def _attend(self, name: str, states: Floats) -> None:
        """Let each state take up what it needs from all others, in place."""
        count = len(states)
        joined = self._dense(f"{name}.attend", self._normalised(f"{name}.before", states))
        query, key, value = joined.reshape(count, 3, _HEADS, -1).transpose(1, 2, 0, 3)
        query *= np.float32(query.shape[2] ** -0.5)
        mixed = np.empty((count, WIDTH), np.float32)
        by_head = mixed.reshape(count, _HEADS, -1).transpose(1, 0, 2)
        for first in range(0, count, _QUERIES_AT_ONCE):
            block = slice(first, first + _QUERIES_AT_ONCE)
            nearness = query[:, block] @ key.transpose(0, 2, 1)
            nearness -= nearness.max(axis=2, keepdims=True)
            np.exp(nearness, out=nearness)
            np.matmul(nearness, value, out=by_head[:, block])
            by_head[:, block] /= nearness.sum(axis=2, keepdims=True)
        states += self._dense(f"{name}.mix", mixed)

    def _feed_forward(self, name: str, states: Floats) -> None:
        wide = self._dense(f"{name}.widen", self._normalised(f"{name}.between", states))
        states += self._dense(f"{name}.narrow", _gelu(wide))

    def _dense(self, name: str, values: Floats) -> Floats:
        product: Floats = values @ self._weights[f"{name}.weight"]
        product += self._weights[f"{name}.bias"]
        return product

    def _normalised(self, name: str, values: Floats) -> Floats:
        """Normalise each row, then scale and shift its columns (Ba et al. 2016)."""
        centred: Floats = values - values.mean(axis=1, keepdims=True)
        variance = np.vecdot(centred, centred)[:, None] / np.float32(WIDTH)
        centred /= np.sqrt(variance + np.float32(1e-5))
        centred *= self._weights[f"{name}.weight"]
        centred += self._weights[f"{name}.bias"]
        return centred


def state_count(samples: int) -> int:
    """Return the number of states: one for each 20 ms, and one for a rest of 10 ms or more."""
    return (max(1, samples // FRAME_SHIFT) + 1) // 2


@cache
def whisper_encoder() -> WhisperEncoder:
    """Read the encoder that ships with this package, once per process."""
    return WhisperEncoder.from_file(MODELS / "whisper-tiny.en.npz")


def _gelu(values: Floats) -> Floats:
    """Multiply each value x by Φ(x), in place (Hendrycks & Gimpel 2016)."""
    flat = values.reshape(-1)
    squares, powers = np.empty((2, _VALUES_AT_ONCE), np.float32)
    first, third, fifth = _GELU
    with np.errstate(over="ignore"):  # of what becomes 0
        for begin in range(0, flat.size, _VALUES_AT_ONCE):
            x = flat[begin : begin + _VALUES_AT_ONCE]
            square, power = squares[: x.size], powers[: x.size]
            np.square(x, out=square)
            np.minimum(square, _GELU_FLAT, out=square)
            np.multiply(square, fifth, out=power)
            power += third
            power *= square
            power += first
            power *= x
            np.exp(power, out=power)
            power += 1
            x /= power
    return values


def _positions() -> Floats:
    """Return sines and cosines of 192 frequencies for each position (Vaswani et al. 2017).

    Rounded to 16 bits, as in the package that the weights are from.
    """
    places = np.arange(MAX_SECONDS * SAMPLE_RATE_HZ // STATE_SHIFT)
    frequencies = _LONGEST_PERIOD ** (-np.arange(WIDTH // 2) / (WIDTH // 2 - 1))
    angles = places[:, None] * frequencies
    return np.hstack([np.sin(angles), np.cos(angles)]).astype(np.float16).astype(np.float32)
