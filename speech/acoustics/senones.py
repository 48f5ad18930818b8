"""Compute the likelihood of the acoustic model's states in each frame.

Only the requested senones and their codebooks are evaluated. The densities of a codebook are used
while they are in the processor's cache and never stored.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.model_files import DENSITIES, STREAM_LENGTH, STREAMS, AcousticModel

# The densities of one codebook and stream for this many frames fit into the cache.
_FRAMES_AT_ONCE: Final = 512


def log_likelihoods(
    model: AcousticModel, features: NDArray[np.float32], senones: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the log likelihoods of the given senones, in nats.

    Args:
        model: The acoustic model.
        features: Shape (T, 39), T > 0.
        senones: Shape (n,), in any order; may repeat.

    Returns:
        Shape (T, n).
    """
    frames = len(features)
    terms = _terms(features)
    scores = np.empty((len(senones), frames), np.float32)
    densities = np.empty((DENSITIES, min(frames, _FRAMES_AT_ONCE)), np.float32)
    owners = model.triphones.codebooks[senones]
    for codebook in np.unique(owners):
        rows = np.flatnonzero(owners == codebook)
        weights = np.ascontiguousarray(model.weights[senones[rows]].swapaxes(0, 1))
        for first in range(0, frames, _FRAMES_AT_ONCE):
            block = slice(first, min(first + _FRAMES_AT_ONCE, frames))
            values = densities[:, : block.stop - first]
            product, best = np.float32(1), np.float32(0)
            for stream in range(STREAMS):
                np.matmul(model.densities[codebook, stream], terms[stream, :, block], out=values)
                likeliest = values.max(axis=0)
                np.subtract(values, likeliest, out=values)
                np.exp(values, out=values)
                # A weight is at least exp(-27), so the product of three is not lost to float32.
                product = product * (weights[stream] @ values)
                best = best + likeliest
            scores[rows, block] = np.log(product) + best
    return np.ascontiguousarray(scores.T)


def _terms(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [x, x², 1] of each stream, shape (3, 27, T)."""
    streams = features.T.reshape(STREAMS, STREAM_LENGTH, -1)
    ones = np.ones((STREAMS, 1, len(features)), np.float32)
    return np.concatenate([streams, streams**2, ones], axis=1)
