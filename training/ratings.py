"""Transfer experts' ratings of phones to the phones that the engine aligned.

The engine chooses the best-fitting listed pronunciation, which for every fifth word is not the one
that the experts rated.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import NetworkInput
from speech.text.phones import PHONES
from training.corpus import RatedWord


def carried_over(rated: Sequence[RatedWord], given: NetworkInput) -> NDArray[np.float32]:
    """Return the rating of every aligned phone, shape (P,); NaN if the experts rated none."""
    ratings: list[float] = []
    for index, word in enumerate(rated):
        aligned = [PHONES[phone] for phone in given.phones[given.words == index]]
        of_word = [np.nan] * len(aligned)
        places = match(word.phones, aligned)
        for place, rating in zip(places, word.phone_accuracy, strict=True):
            if place is not None:
                of_word[place] = rating
        ratings += of_word
    return np.array(ratings, np.float32)


def match(wanted: Sequence[str], found: Sequence[str]) -> list[int | None]:
    """Return the index in `found` of each of `wanted` by minimal edits; None if it is missing."""
    costs = np.zeros((len(wanted) + 1, len(found) + 1), int)
    costs[:, 0], costs[0] = np.arange(len(wanted) + 1), np.arange(len(found) + 1)
    for i, symbol in enumerate(wanted, start=1):
        for j, other in enumerate(found, start=1):
            changed = costs[i - 1, j - 1] + (symbol != other)
            costs[i, j] = min(changed, costs[i - 1, j] + 1, costs[i, j - 1] + 1)
    places: list[int | None] = [None] * len(wanted)
    i, j = len(wanted), len(found)
    while i and j:
        if costs[i, j] == costs[i - 1, j - 1] + (wanted[i - 1] != found[j - 1]):
            i, j = i - 1, j - 1
            places[i] = j
        elif costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return places
