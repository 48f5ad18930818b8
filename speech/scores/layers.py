"""Layers of the network: float32 in, float32 out, weights looked up by name."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Weights = Mapping[str, Floats]

HEADS: Final = 4  # of attention
FARTHEST: Final = 8  # phones; attention treats all greater distances alike
HIGHEST: Final = 60.0  # exponent that float32 can represent
STEEPEST: Final = 10.0  # logit of attention when pooling


def attention_layer(weights: Weights, name: str, tokens: Floats) -> Floats:
    """Apply one transformer layer, normalised before each half, with relative positions."""
    count, width = tokens.shape
    places = np.arange(count)
    distances = np.clip(places[None] - places[:, None], -FARTHEST, FARTHEST) + FARTHEST
    joined = dense(weights, f"{name}.attend", normalised(weights, f"{name}.before", tokens))
    query, key, value = joined.reshape(count, 3, HEADS, -1).transpose(1, 2, 0, 3)
    nearness = query @ key.transpose(0, 2, 1)
    nearness *= np.float32((width / HEADS) ** -0.5)
    nearness += weights[f"{name}.distance_table"][:, distances]
    mixed = (softmax(nearness) @ value).transpose(1, 0, 2).reshape(count, width)
    tokens = tokens + dense(weights, f"{name}.mix", mixed)
    inner = dense(weights, f"{name}.widen", normalised(weights, f"{name}.between", tokens))
    tokens += dense(weights, f"{name}.narrow", relu(inner))
    return tokens


def attended(weights: Weights, name: str, tokens: Floats, starts: Integers) -> Floats:
    """Return the mean of the tokens from each start to the next, plain and attention-weighted."""
    weighed = np.exp(np.clip(dense(weights, name, tokens), -STEEPEST, STEEPEST))
    ones = np.ones((len(tokens), 1), np.float32)
    sums = np.add.reduceat(np.hstack([tokens, tokens * weighed, weighed, ones]), starts)
    width = tokens.shape[1]
    return np.hstack([sums[:, :width] / sums[:, -1:], sums[:, width : 2 * width] / sums[:, -2:-1]])


def segment_sums(values: Floats, segments: Integers) -> Floats:
    """Sum rows over each of (n, 2) segments, ascending and disjoint, none empty."""
    # `reduceat` also sums the gaps between segments: drop every second row.
    return np.add.reduceat(values[: segments[-1, 1]], segments.ravel()[:-1])[::2]


def dense(weights: Weights, name: str, values: Floats) -> Floats:
    """Apply one linear layer."""
    product: Floats = values @ weights[f"{name}.weight"]
    product += weights[f"{name}.bias"]
    return product


def normalised(weights: Weights, name: str, values: Floats) -> Floats:
    """Normalise each row, then scale and shift its columns (Ba et al. 2016)."""
    centred = values - values.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(1e-5))
    normal: Floats = centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return normal


def relu(values: Floats) -> Floats:
    """Set negative values to 0, in place."""
    return np.maximum(values, 0, out=values)


def softmax(values: Floats) -> Floats:
    """Turn the last axis into probabilities, in place."""
    values -= values.max(axis=-1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=-1, keepdims=True)
    return values


def scores(logits: Floats) -> Floats:
    """Map logits to scores from 0 to 2."""
    values: Floats = np.exp(np.minimum(-logits, HIGHEST))
    values += 1
    return np.divide(2, values, out=values)
