"""Predict the pronunciation of a word that no dictionary lists from its letters.

A small convolutional network, trained on cmudict by `training/letter_to_sound.py`, gives every
letter two places for a phone or for none (Graves et al. 2006, connectionist temporal
classification). docs/adr/0024 states its error rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.trained_models import MODELS, read_model

Phones = tuple[str, ...]
Array = NDArray[np.float32]

_LETTER_NAMES: Final = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY",
    "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N",
    "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip

# A second choice at least this likely yields a variant.
_MIN_PROBABILITY: Final = 0.2
_MAX_VARIANTS: Final = 3


@dataclass(frozen=True, slots=True)
class Network:
    """Weights, float32; `width` is the number of features per letter.

    Attributes:
        phones: Names of the outputs; the first, empty one means no phone.
        letters: Shape (26, width).
        blocks: For each residual block the weights (window * width, width) and biases (width,)
            over a window of letters, then those of a layer over one letter.
        head: Shape (width, 2 * phones) and biases.
    """

    phones: tuple[str, ...]
    letters: Array
    blocks: tuple[tuple[Array, Array, Array, Array], ...]
    head: tuple[Array, Array]


def spell(letters: str) -> Phones:
    """Return the phones of the letters' names, as in "bbc"."""
    return tuple(phone for letter in letters for phone in _LETTER_NAMES[letter].split())


def sound_out(word: str) -> tuple[Phones, ...]:
    """Predict the phones of a word in letters a to z: up to three variants, likeliest first."""
    return sound_out_with(shipped(), word) or (spell(word),)


@cache
def shipped() -> Network:
    """Return the network that ships with this package."""
    return read(MODELS / "en-spelling.npz")


def read(path: Path) -> Network:
    """Read a network; weights are bytes with a scale per column.

    Raises:
        DamagedModel: If the file is incomplete or of another kind.
    """
    return read_model(path, _network)


def _network(arrays: Mapping[str, NDArray[Any]]) -> Network:
    def weights(name: str) -> Array:
        return np.asarray(
            arrays[f"{name}_bytes"] * arrays[f"{name}_scale"].astype(np.float32), np.float32
        )

    def biases(name: str) -> Array:
        return np.asarray(arrays[f"{name}_bias"], np.float32)

    blocks = tuple(
        (
            weights(f"window{index}"),
            biases(f"window{index}"),
            weights(f"letter{index}"),
            biases(f"letter{index}"),
        )
        for index in range(int(arrays["depth"]))
    )
    phones = tuple(str(arrays["phones"]).split(" "))
    return Network(phones, weights("letters"), blocks, (weights("head"), biases("head")))


def probabilities(network: Network, word: str) -> Array:
    """Return the probability of each phone at each place, shape (2 * letters, phones)."""
    state = network.letters[np.frombuffer(word.encode("ascii"), np.uint8) - ord("a")]
    for window_weights, window_biases, letter_weights, letter_biases in network.blocks:
        hidden = _windows(_normal(state), len(window_weights)) @ window_weights + window_biases
        state = state + np.maximum(hidden, 0) @ letter_weights + letter_biases
    head_weights, head_biases = network.head
    scores = (_normal(state) @ head_weights + head_biases).reshape(-1, len(network.phones))
    likelihoods = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(likelihoods / likelihoods.sum(axis=1, keepdims=True), np.float32)


def _normal(state: Array) -> Array:
    centred = state - state.mean(axis=1, keepdims=True)
    variance = np.mean(centred * centred, axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(1e-5)), np.float32)


def _windows(state: Array, size: int) -> Array:
    """Return each letter's features with those of its neighbours, zeros beyond the word."""
    letters, width = state.shape
    window = size // width
    padded = np.pad(state, ((window // 2, window // 2), (0, 0)))
    return np.concatenate([padded[shift : shift + letters] for shift in range(window)], axis=1)


def sound_out_with(network: Network, word: str) -> tuple[Phones, ...]:
    """Return the likeliest phones, then variants with the second choice where it is close."""
    likely = probabilities(network, word)
    ranked = likely.argsort(axis=1)
    best, second = ranked[:, -1], ranked[:, -2]
    chances = np.take_along_axis(likely, second[:, None], axis=1)[:, 0]
    variants = [_joined(network, best)]
    for place in chances.argsort()[::-1][: _MAX_VARIANTS - 1]:
        if chances[place] >= _MIN_PROBABILITY:
            other = best.copy()
            other[place] = second[place]
            variants.append(_joined(network, other))
    return tuple(dict.fromkeys(variant for variant in variants if variant))


def _joined(network: Network, places: NDArray[Any]) -> Phones:
    """Collapse equal phones in adjacent places into one."""
    return tuple(network.phones[place] for place, _ in groupby(places.tolist()) if place)
