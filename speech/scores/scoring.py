"""Scores for pronunciation and fluency, read off an alignment (an interim scorer).

How well the acoustic model of native speech finds the expected phones, and how the speaker's
rate and pauses run, are mapped to what experts gave learners. The maps are linear; docs/adr/0023
says what they reach and what the numbers do and do not mean.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.alignment.interim import Alignment
from speech.fluency import Fluency
from speech.scores.calibration import Calibration
from speech.scores.features import phone_features, utterance_features, word_features

# Experts' scales, stretched to 0-100.
_PER_UTTERANCE_POINT: Final = 10.0  # 0-10
_PER_PHONE_POINT: Final = 50.0  # 0-2
WELL_SAID: Final = 8.0  # of 10; what a word's confidence is the probability of


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of one utterance.

    Attributes:
        accuracy: 0-100.
        fluency: 0-100.
        phones: 0-100, shape (phones,), in the alignment's order.
        words: Probability 0-1 of having been said well, shape (words,).
        mismatch: Log odds that the recording says something else.
        features: What the utterance's scores were made of.
    """

    accuracy: float
    fluency: float
    phones: NDArray[np.float64]
    words: NDArray[np.float64]
    mismatch: float
    features: dict[str, float]


def score(alignment: Alignment, fluency: Fluency, calibration: Calibration) -> Scores:
    """Score one utterance; depends on the arguments alone."""
    spoken = [word.phones for word in alignment.words]
    sizes = [len(word) for word in spoken]
    phones = phone_features(spoken, calibration.phone_norms)
    words = word_features(phones, sizes)
    utterance = utterance_features(alignment, fluency, phones)
    return Scores(
        accuracy=_percent(_PER_UTTERANCE_POINT * calibration.accuracy.of(utterance)),
        fluency=_percent(_PER_UTTERANCE_POINT * calibration.fluency.of(utterance)),
        phones=np.clip(_PER_PHONE_POINT * calibration.phone.of(phones), 0.0, 100.0),
        words=_probability(calibration.word.of(words)),
        mismatch=calibration.mismatch.of(utterance),
        features=utterance,
    )


def _percent(value: float) -> float:
    return min(max(value, 0.0), 100.0)


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))
