"""Where the experts' mean probably lies: a 90 % interval for each score.

The ends are quantiles of the experts' means for recordings with about the same score, of speakers
that the model had never heard (`training/intervals.py`). They differ by the length of a recording,
because experts, too, agree less about one to three words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

LENGTHS: Final = (3, 5)  # most words of a short and of a middling recording
BEST: Final = 100.0


@dataclass(frozen=True, slots=True)
class Intervals:
    """Curves by kind of score: predicted scores, ascending, and the two ends of each interval.

    Everything is on the scale 0-100. Between predicted scores, the ends are interpolated.

    Attributes:
        utterances: Shape (4, 3, 3, n): accuracy, fluency, prosodic and total; short, middling and
            long recordings.
        words: Shape (3, n).
        phones: Shape (3, n).
    """

    utterances: Array
    words: Array
    phones: Array

    def __post_init__(self) -> None:
        """Validate shapes and values.

        Raises:
            ValueError: If a shape is wrong or a value is not finite.
        """
        curves = (self.utterances, self.words, self.phones)
        shapes = [each.shape[:-1] for each in curves]
        if shapes != [(4, len(LENGTHS) + 1, 3), (3,), (3,)]:
            message = f"intervals of the shapes {shapes}"
            raise ValueError(message)
        if not all(np.isfinite(each).all() for each in curves):
            message = "not all ends of intervals are finite"
            raise ValueError(message)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Read what `arrays` returned."""
        return cls(*(arrays[f"intervals.{field.name}"] for field in fields(cls)))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays to save with the model."""
        return {
            f"intervals.{field.name}": getattr(self, field.name).astype(np.float32)
            for field in fields(self)
        }

    def of_utterance(self, scores: Array, words: int) -> Array:
        """Return the intervals of a recording's scores.

        Args:
            scores: Shape (4,), 0-100.
            words: Number of its words.

        Returns:
            Shape (4, 2), 0-100; each contains its score.
        """
        curves = self.utterances[:, length_class(words)]
        return np.stack([ends(*pair)[0] for pair in zip(curves, scores[:, None], strict=True)])

    def of_words(self, scores: Array) -> Array:
        """Return the intervals of words, shape (n, 2), for their scores, shape (n,)."""
        return ends(self.words, scores)

    def of_phones(self, scores: Array) -> Array:
        """Return the intervals of phones, shape (n, 2), for their scores, shape (n,)."""
        return ends(self.phones, scores)


def length_class(words: int | NDArray[np.int64]) -> Any:  # noqa: ANN401 - one index, or an array
    """Return the length of a recording: 0 short, 1 middling, 2 long."""
    return np.searchsorted(LENGTHS, words)


def ends(curves: Array, scores: Array) -> Array:
    """Return the intervals of scores by curves of shape (3, n); each contains its score."""
    predicted, low, high = curves
    both = np.column_stack(
        [
            np.minimum(np.interp(scores, predicted, low), scores),
            np.maximum(np.interp(scores, predicted, high), scores),
        ]
    )
    return np.asarray(np.clip(both, 0, BEST))
