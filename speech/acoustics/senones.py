"""How likely each state of the acoustic model is in each frame.

The densities of all codebooks are evaluated once a block of frames; senones are weighted sums of
them, so only those asked for are mixed.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.model_files import DENSITIES, STREAM_LENGTH, STREAMS, AcousticModel

_FRAMES_AT_ONCE: Final = 256  # one codebook's densities of so many frames stay in the cache


class SenoneScorer:
    """Likelihoods of a block of frames under one model."""

    def __init__(self, model: AcousticModel, features: NDArray[np.float32]) -> None:
        """Evaluate all densities.

        Args:
            model: The acoustic model.
            features: Shape (T, 39), T > 0. Takes 64 kB of memory a frame.
        """
        phones, frames = len(model.phones), len(features)
        self._model = model
        # Densities relative to the best of their codebook, and the logarithm of that one, summed
        # over streams: a product of three sums of weights is never too small for float32.
        self._densities = np.empty((phones, STREAMS, DENSITIES, frames), np.float32)
        self._best = np.zeros((phones, frames), np.float32)
        terms = _terms(features)
        for first in range(0, frames, _FRAMES_AT_ONCE):
            self._evaluate(terms, slice(first, first + _FRAMES_AT_ONCE))

    def log_likelihoods(
        self, senones: NDArray[np.int64], frames: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Natural logarithms of the likelihoods of chosen senones.

        Args:
            senones: Shape (n,), in any order, repeated or not.
            frames: Which frames of the block.

        Returns:
            Shape (frames, n).
        """
        codebooks = self._model.triphones.codebooks[senones]
        weights = self._model.weights
        scores = np.empty(
            (len(range(*frames.indices(self._best.shape[1]))), len(senones)), np.float32
        )
        for codebook in np.unique(codebooks):
            columns = np.flatnonzero(codebooks == codebook)
            chosen = weights[senones[columns]].swapaxes(0, 1)
            mixed = chosen @ self._densities[codebook][:, :, frames]
            product = np.log(mixed[0] * mixed[1] * mixed[2])
            scores[:, columns] = (product + self._best[codebook, frames]).T
        return scores

    def context_independent(self) -> NDArray[np.float32]:
        """Likelihoods of the states of all phones whatever their context.

        Returns:
            Shape (T, 126): the order of the model's phones, three states each.
        """
        triphones = self._model.triphones
        return self.log_likelihoods(triphones.sequences[triphones.bases].ravel())

    def _evaluate(self, terms: NDArray[np.float32], frames: slice) -> None:
        for codebook, coefficients in enumerate(self._model.densities):
            for stream in range(STREAMS):
                values = coefficients[stream] @ terms[stream, :, frames]
                best = values.max(axis=0)
                values -= best
                np.exp(values, out=self._densities[codebook, stream, :, frames])
                self._best[codebook, frames] += best


def _terms(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """[x, x², 1] of each stream, shape (3, 27, T)."""
    streams = features.T.reshape(STREAMS, STREAM_LENGTH, -1)
    ones = np.ones((STREAMS, 1, len(features)), np.float32)
    return np.concatenate([streams, streams**2, ones], axis=1)
