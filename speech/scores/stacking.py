"""A straight line over a network's own answers mends the scores of phones.

While it learns, a network hears the phones of its own speakers better than it will hear others',
and comes to trust single phones too much. What it says of speakers that it never heard shows by
how much, and how far a phone's score should be drawn towards its neighbours', its word's and the
utterance's (stacked regression: Wolpert 1992, Breiman 1996).
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import TO_TEN, NetworkInput, NetworkOutput
from speech.text.phones import PHONES

Array = NDArray[np.floating[Any]]

TERMS: Final = ("own", "before", "after", "word", "mean")
BEST: Final = 2.0  # score of a phone


@dataclass(frozen=True, slots=True)
class PhoneStacking:
    """What is added to a phone's score.

    Attributes:
        slopes: Of `TERMS`, shape (5,).
        offsets: By phone, shape (39,).
    """

    slopes: Array
    offsets: Array

    def __post_init__(self) -> None:
        """Refuse arrays of other shapes, and numbers that are none.

        Raises:
            ValueError: Of such.
        """
        if self.slopes.shape != (len(TERMS),) or self.offsets.shape != (len(PHONES),):
            message = f"{self.slopes.shape} slopes and {self.offsets.shape} offsets"
            raise ValueError(message)
        if not np.isfinite([*self.slopes, *self.offsets]).all():
            message = "not all slopes and offsets are finite"
            raise ValueError(message)

    def corrected(self, given: NetworkInput, output: NetworkOutput) -> NetworkOutput:
        """Return the output with other scores of phones, 0 to 2 as before."""
        change = stacking_terms(given, output) @ self.slopes + self.offsets[given.phones]
        phones = np.clip(output.phones + change, 0, BEST).astype(np.float32)
        return replace(output, phones=phones)


def stacking_terms(given: NetworkInput, output: NetworkOutput) -> Array:
    """For each phone its score, the last one's and the next one's, its word's and their mean.

    Returns:
        Shape (P, 5), each from 0 to 2; the first and the last phone are their own neighbours.
    """
    phones = output.phones
    return np.column_stack(
        [
            phones,
            np.append(phones[:1], phones[:-1]),
            np.append(phones[1:], phones[-1:]),
            output.words[given.words] / TO_TEN,
            np.full(len(phones), phones.mean()),
        ]
    )
