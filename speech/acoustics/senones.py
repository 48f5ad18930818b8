"""How likely each state of the acoustic model is in each frame.

The densities of all codebooks are evaluated once for a block of frames. Senones are weighted sums
of them, so of the thousands of phones in context only those asked for are mixed.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.model_files import DENSITIES, STREAM_LENGTH, STREAMS, AcousticModel

# The densities of one codebook and stream for so many frames stay in the cache until they are
# mixed.
_FRAMES_AT_ONCE: Final = 512


class SenoneScorer:
    """Likelihoods of a block of frames under one model; takes 65 kB of memory a frame."""

    def __init__(self, model: AcousticModel, features: NDArray[np.float32]) -> None:
        """Evaluate all densities.

        Args:
            model: The acoustic model.
            features: Shape (T, 39), T > 0.
        """
        phones, frames = len(model.phones), len(features)
        self._weights, self._codebooks = model.weights, model.triphones.codebooks
        # Relative to the likeliest density of codebook and stream, whose logarithms are summed
        # over streams in `best`.
        self._densities = np.empty((phones, STREAMS, DENSITIES, frames), np.float32)
        self._best = np.zeros((phones, frames), np.float32)
        base = model.triphones.sequences[model.triphones.bases]
        weights = np.ascontiguousarray(model.weights[base].swapaxes(1, 2))
        product = np.ones((phones, base.shape[1], frames), np.float32)
        terms = _terms(features)
        for first in range(0, frames, _FRAMES_AT_ONCE):
            block = slice(first, first + _FRAMES_AT_ONCE)
            for codebook, stream in np.ndindex(phones, STREAMS):
                values = model.densities[codebook, stream] @ terms[stream, :, block]
                best = values.max(axis=0)
                values -= best
                np.exp(values, out=values)
                product[codebook, :, block] *= weights[codebook, stream] @ values
                self._best[codebook, block] += best
                self._densities[codebook, stream, :, block] = values
        scores = np.log(product) + self._best[:, None]
        self._context_independent = np.ascontiguousarray(scores.reshape(-1, frames).T)

    def context_independent(self) -> NDArray[np.float32]:
        """Likelihoods of the states of all phones whatever their context, in nats.

        Returns:
            Shape (T, 126): the order of the model's phones, three states each.
        """
        return self._context_independent

    def log_likelihoods(
        self, senones: NDArray[np.int64], frames: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Likelihoods of chosen senones, in nats.

        Args:
            senones: Shape (n,), in any order, repeated or not.
            frames: Which frames of the block.

        Returns:
            Shape (frames, n).
        """
        best = self._best[:, frames]
        scores = np.empty((best.shape[1], len(senones)), np.float32)
        owners = self._codebooks[senones]
        for codebook in np.unique(owners):
            columns = np.flatnonzero(owners == codebook)
            weights = self._weights[senones[columns]].swapaxes(0, 1)
            mixed = weights @ self._densities[codebook, :, :, frames]
            # A weight is at least exp(-27), so the product of three is not lost to float32.
            scores[:, columns] = (np.log(mixed.prod(axis=0)) + best[codebook]).T
        return scores


def _terms(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """[x, x², 1] of each stream, shape (3, 27, T)."""
    streams = features.T.reshape(STREAMS, STREAM_LENGTH, -1)
    ones = np.ones((STREAMS, 1, len(features)), np.float32)
    return np.concatenate([streams, streams**2, ones], axis=1)
