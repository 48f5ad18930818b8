"""Correct the network's scores of phones by a linear regression on its own predictions.

In training, a network recognises the phones of its training speakers better than those of new
ones and learns to trust single phones too much. Its predictions for unseen speakers show by how
much, and how far a phone's score should move towards those of its word and of the whole (stacked
regression: Wolpert 1992, Breiman 1996).
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import TO_TEN, NetworkInput, NetworkOutput
from speech.text.phones import PHONES

Array = NDArray[np.floating[Any]]

TERMS: Final = ("own", "word", "mean")
BEST: Final = 2.0  # score of a phone


@dataclass(frozen=True, slots=True)
class PhoneStacking:
    """The linear correction that is added to a phone's score.

    Attributes:
        slopes: Slopes of `TERMS`, shape (3,).
        offsets: Offsets by phone, shape (39,).
    """

    slopes: Array
    offsets: Array

    def __post_init__(self) -> None:
        """Validate shapes and values.

        Raises:
            ValueError: If a shape is wrong or a value is not finite.
        """
        if self.slopes.shape != (len(TERMS),) or self.offsets.shape != (len(PHONES),):
            message = f"{self.slopes.shape} slopes and {self.offsets.shape} offsets"
            raise ValueError(message)
        if not np.isfinite([*self.slopes, *self.offsets]).all():
            message = "not all slopes and offsets are finite"
            raise ValueError(message)

    def corrected(self, given: NetworkInput, output: NetworkOutput) -> NetworkOutput:
        """Return the output with corrected scores of phones, 0 to 2 as before."""
        change = stacking_terms(given, output) @ self.slopes + self.offsets[given.phones]
        phones = np.clip(output.phones + change, 0, BEST).astype(np.float32)
        return replace(output, phones=phones)


def stacking_terms(given: NetworkInput, output: NetworkOutput) -> Array:
    """Return the terms of each phone: its score, its word's and the mean of all phones.

    Returns:
        Shape (P, 3), each from 0 to 2.
    """
    words, mean = output.words[given.words] / TO_TEN, output.phones.mean()
    return np.column_stack([output.phones, words, np.full(len(words), mean)])
