"""The network that predicts experts' scores from measures of frames and phones.

A convolutional encoder, trained on learners' speech, recognises phones in the frames, with the
help of a larger speech model's embeddings if it was trained with them. Its output for each phone's
segment, the phone itself and its goodness go through a transformer over phones; heads predict the
experts' marks on phones, the accuracy of words, and, with the measures of the whole utterance, its
accuracy, fluency, prosody and total (after GOPT, Gong et al. 2022).

Plain numpy, float32. `training/network.py` is the same network for training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from speech.errors import DamagedModel
from speech.scores.layers import (
    Floats,
    Integers,
    Weights,
    attended,
    attention_layer,
    dense,
    normalised,
    relu,
    scores,
    segment_sums,
    softmax,
)
from speech.trained_models import read_model

PHONES: Final = 39
STATES: Final = 3 * PHONES + 1  # first states of all phones, second, third; silence
STEP: Final = 2  # frames that the encoder takes at once: half the work, same quality
DILATIONS: Final = (1, 2, 3, 4)  # of convolutions three steps wide
REACH: Final = max(DILATIONS)
LAYERS: Final = 2
LEAST: Final = 1e-5  # posterior
MARK_SCORES: Final = (2.0, 1.0, 0.0)  # of a phone that an expert marks right, accented, wrong
MARKS: Final = len(MARK_SCORES)
TO_TEN: Final = 5.0  # the network scores everything from 0 to 2, as experts score phones
CLIP: Final = 5.0  # standard deviations from the mean
FORMAT: Final = 2
_ARRAYS: Final = "the network's arrays"


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """Measures of one piece of speech, up to some 25 s."""

    frames: Floats  # (T, F): cepstra, states' log likelihoods, pitch, voicing, energy
    embeddings: Floats  # (steps of T, E): of another speech model; E is 0 if they are not needed
    segments: Integers  # (P, 2): first frame and one past the last of each phone, ascending
    phones: Integers  # (P,): 0 to 38, in alphabetical order
    positions: Integers  # (P,): 0 only phone of its word, 1 first, 2 inner, 3 last
    words: Integers  # (P,): index of the phone's word, ascending from 0 without gaps
    goodness: Floats  # (P, G)
    utterance: Floats  # (U,)


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """Predicted scores of experts, and posteriors of the encoder. The last phone is silence."""

    phones: Floats  # (P,): accuracy, 0 to 2
    words: Floats  # (W,): accuracy, 0 to 10
    utterance: Floats  # (4,): accuracy, fluency, prosodic, total, 0 to 10
    posteriors: Floats  # (P, 40): mean over the phone's frames
    frame_posteriors: Floats  # (T, 40)
    marks: Floats  # (P, 3): shares of the experts who mark it right, accented, wrong or missing


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Mean and standard deviation of one kind of input, shape (2, width)."""

    moments: Floats

    def apply(self, values: Floats) -> Floats:
        """Standardise and clip, so that one broken input cannot outweigh the rest."""
        mean, spread = self.moments
        standard: Floats = (np.asarray(values, np.float32) - mean) / spread
        return np.clip(standard, -CLIP, CLIP, out=standard)


@dataclass(frozen=True, slots=True)
class Standardisations:
    """Standardisations of all inputs, shared by the members of a network."""

    frames: Standardisation
    embeddings: Standardisation
    goodness: Standardisation
    utterance: Standardisation


class Network:
    """One or more members, whose outputs are averaged."""

    def __init__(self, standard: Standardisations, members: Sequence[Weights]) -> None:
        self.standard, self.members = standard, tuple(members)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a `.npz` written from `network_arrays`.

        Raises:
            DamagedModel: If the file is incomplete or of another kind.
        """
        return read_model(path, cls.from_arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Build from `network_arrays`; names that do not start with `network.` are ignored.

        Raises:
            DamagedModel: If arrays are missing, of a wrong shape or not finite.
        """
        try:
            network = cls(*_unpacked(arrays))
            # Running one phone through the network proves that all arrays exist and fit.
            output = network.forward(network.smallest_input())
        except (KeyError, IndexError, ValueError) as error:
            raise DamagedModel(_ARRAYS, error) from error
        if not np.isfinite([*output.phones, *output.words, *output.utterance]).all():
            raise DamagedModel(_ARRAYS, "not all of them are finite")
        return network

    @property
    def embedding_width(self) -> int:
        """Numbers per embedding; 0 if it needs none."""
        return int(self.standard.embeddings.moments.shape[1])

    def smallest_input(self) -> NetworkInput:
        """Return an input of one phone and one frame with average measures."""
        nought = np.zeros(1, np.int64)
        standard = self.standard
        return NetworkInput(
            standard.frames.moments[:1], standard.embeddings.moments[:1],
            np.array([[0, 1]]), nought, nought, nought,
            standard.goodness.moments[:1], standard.utterance.moments[0],
        )  # fmt: skip

    def forward(self, given: NetworkInput) -> NetworkOutput:
        """Score one piece of speech; the same input gives the same output, bit for bit."""
        standard = NetworkInput(
            self.standard.frames.apply(given.frames),
            self.standard.embeddings.apply(given.embeddings[:, : self.embedding_width]),
            given.segments, given.phones, given.positions, given.words,
            self.standard.goodness.apply(given.goodness),
            self.standard.utterance.apply(given.utterance),
        )  # fmt: skip
        outputs = [_forward(member, standard) for member in self.members]
        if len(outputs) == 1:
            return outputs[0]
        return NetworkOutput(
            np.mean([output.phones for output in outputs], axis=0),
            np.mean([output.words for output in outputs], axis=0),
            np.mean([output.utterance for output in outputs], axis=0),
            np.mean([output.posteriors for output in outputs], axis=0),
            np.mean([output.frame_posteriors for output in outputs], axis=0),
            np.mean([output.marks for output in outputs], axis=0),
        )

    def heard(self, frames: Floats) -> Floats:
        """Return the posteriors of the phones in each step, shape (steps, 40), without a text.

        Args:
            frames: Shape (T, F); the network must need no embeddings.
        """
        none = np.empty((-(-len(frames) // STEP), 0), np.float32)
        standard = self.standard.frames.apply(frames)
        heard: Floats = np.mean(
            [_encode(member, standard, none)[1][::STEP] for member in self.members], axis=0
        )
        return heard


def network_arrays(network: Network) -> dict[str, NDArray[np.generic]]:
    """Return arrays for `numpy.savez`: matrices in 8 bits with a scale per column, rest in 16."""
    arrays: dict[str, NDArray[np.generic]] = {"network.format": np.array(FORMAT)}
    for name in ("frames", "embeddings", "goodness", "utterance"):
        arrays[f"network.standard.{name}"] = getattr(network.standard, name).moments
    for name, first in network.members[0].items():
        stacked = np.stack([member[name] for member in network.members])
        if first.ndim < 2 or not name.endswith(".weight"):
            arrays[f"network.{name}"] = stacked.astype(np.float16)
            continue
        largest = np.abs(stacked).max(axis=1)
        scales = np.maximum(largest / 127, 1e-6).astype(np.float16)
        codes = np.rint(stacked / scales[:, None].astype(np.float32))
        arrays[f"network.{name}"] = np.clip(codes, -127, 127).astype(np.int8)
        arrays[f"network.{name}.scale"] = scales
    return arrays


def _unpacked(
    arrays: Mapping[str, NDArray[np.generic]],
) -> tuple[Standardisations, list[dict[str, Floats]]]:
    if int(arrays["network.format"]) != FORMAT:
        message = f"format {arrays['network.format']} instead of {FORMAT}"
        raise ValueError(message)
    floats: dict[str, Floats] = {}
    for name, array in arrays.items():
        if name.startswith("network.") and not name.endswith((".scale", ".format")):
            floats[name.removeprefix("network.")] = array.astype(np.float32)
            if f"{name}.scale" in arrays:
                scale = arrays[f"{name}.scale"].astype(np.float32)
                floats[name.removeprefix("network.")] *= scale[:, None]
    standard = Standardisations(
        Standardisation(floats.pop("standard.frames")),
        Standardisation(floats.pop("standard.embeddings")),
        Standardisation(floats.pop("standard.goodness")),
        Standardisation(floats.pop("standard.utterance")),
    )
    count = len(floats["encoder.input.bias"])
    members = [
        {name: np.ascontiguousarray(stacked[index]) for name, stacked in floats.items()}
        for index in range(count)
    ]
    return standard, members


def _forward(weights: Weights, given: NetworkInput) -> NetworkOutput:
    # The mean is the speaker's; what is said stands out from it.
    voice = mean_embedding(given.embeddings, given.segments)
    hidden, frame_posteriors = _encode(weights, given.frames, given.embeddings - voice)
    lengths = (given.segments[:, 1] - given.segments[:, 0]).astype(np.float32)[:, None]
    pooled = segment_sums(np.hstack([hidden, frame_posteriors]), given.segments) / lengths
    posteriors = pooled[:, -(PHONES + 1) :].copy()

    log_posteriors = np.log(np.maximum(posteriors, LEAST))
    rows = np.arange(len(given.phones))
    own = log_posteriors[rows, given.phones]
    others = log_posteriors.copy()
    others[rows, given.phones] = -np.inf
    evidence = np.column_stack([own, own - others.max(axis=1)])
    measured = np.hstack([pooled[:, : -(PHONES + 1)], log_posteriors, evidence, given.goodness])
    tokens = dense(weights, "tokens", measured)
    tokens += weights["phone_table"][given.phones] + weights["position_table"][given.positions]
    for layer in range(LAYERS):
        tokens = attention_layer(weights, f"layers.{layer}", tokens)
    tokens = normalised(weights, "after", tokens)

    marks = softmax(dense(weights, "phone.out", relu(dense(weights, "phone.hidden", tokens))))
    starts = np.flatnonzero(np.diff(given.words, prepend=-1))
    gathered = attended(weights, "word.attention", tokens, starts)
    words = dense(weights, "word.out", relu(dense(weights, "word.hidden", gathered)))
    whole = attended(weights, "utterance.attention", tokens, np.zeros(1, np.int64))
    features = given.utterance[None]
    described = np.hstack([features, voice[None]])
    known = np.hstack([whole, relu(dense(weights, "utterance.features", described))])
    utterance = dense(weights, "utterance.out", relu(dense(weights, "utterance.hidden", known)))
    utterance += dense(weights, "utterance.direct", features)
    return NetworkOutput(
        marks @ np.array(MARK_SCORES, np.float32),
        scores(words[:, 0]) * TO_TEN,
        scores(utterance[0]) * TO_TEN,
        posteriors,
        frame_posteriors,
        marks,
    )


def mean_embedding(embeddings: Floats, segments: Integers) -> Floats:
    """Return the mean embedding of the steps with speech, shape (E,)."""
    is_speech = np.zeros(len(embeddings), bool)
    for start, end in segments.tolist():
        is_speech[start // STEP : -(-end // STEP)] = True
    mean: Floats = embeddings[is_speech].mean(axis=0)
    return mean


def _encode(weights: Weights, frames: Floats, embeddings: Floats) -> tuple[Floats, Floats]:
    """Return hidden activations of each frame, (T, width), and the phones' posteriors, (T, 40)."""
    total, count = len(frames), -(-len(frames) // STEP)
    whole = np.zeros((count * STEP, frames.shape[1]), np.float32)
    whole[:total] = frames
    steps = np.hstack([whole.reshape(count, -1), embeddings])
    hidden = dense(weights, "encoder.input", steps)
    width = hidden.shape[1]
    # Zero padding on both sides, so that every convolution finds its neighbours.
    padded = np.zeros((count + 2 * REACH, width), np.float32)
    inside = padded[REACH : REACH + count]
    beside = np.empty((count, 3 * width), np.float32)
    for index, dilation in enumerate(DILATIONS):
        np.maximum(hidden, 0, out=inside)
        for tap in range(3):
            first = REACH + (tap - 1) * dilation
            beside[:, tap * width : (tap + 1) * width] = padded[first : first + count]
        hidden += dense(weights, f"encoder.convolutions.{index}", beside)
    np.maximum(hidden, 0, out=hidden)
    states = softmax(dense(weights, "encoder.states", hidden))
    posteriors = np.empty((count, PHONES + 1), np.float32)
    np.add(states[:, :PHONES], states[:, PHONES : 2 * PHONES], out=posteriors[:, :PHONES])
    posteriors[:, :PHONES] += states[:, 2 * PHONES : 3 * PHONES]
    posteriors[:, PHONES] = states[:, 3 * PHONES]
    by_frame = np.arange(total) // STEP
    return hidden[by_frame], posteriors[by_frame]
