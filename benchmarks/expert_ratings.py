"""Read what each expert gave an utterance, and who said it: `annotations.jsonl` of a corpus."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.expert_agreement import FULL_SCORE, MOST_POINTS
from training.corpus import UTTERANCE_SCORES

RATED: Final = ("word", *UTTERANCE_SCORES)  # levels that each expert rated

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """The experts' ratings of one utterance.

    Attributes:
        speaker: Who said it.
        age: The speaker's, in years.
        gender: The speaker's, f or m.
        scores: By level, shape (utterances or words, experts), 0-100.
    """

    speaker: str
    age: int
    gender: str
    scores: Mapping[str, Array]

    def against_others(self, level: str) -> Array:
        """Return each expert's score and the mean of the others', shape (n, experts, 2)."""
        scores = self.scores[level]
        others = (scores.sum(axis=1, keepdims=True) - scores) / (scores.shape[1] - 1)
        return np.stack([scores, others], axis=-1)


def read_ratings(corpus: Path, names: Iterable[str]) -> list[Rating]:
    """Read the experts' ratings of the named utterances."""
    lines = (corpus / "annotations.jsonl").read_text(encoding="utf-8").splitlines()
    found = {one["utterance"]: one for one in map(json.loads, lines)}
    return [_rating(found[name]) for name in names]


def _rating(one: Mapping[str, Any]) -> Rating:
    scores = {name: [one[name]] for name in UTTERANCE_SCORES}
    scores["word"] = [word["accuracy"] for word in one["words"]]
    return Rating(
        one["speaker"],
        one["age"],
        one["gender"],
        {name: FULL_SCORE / MOST_POINTS[name] * np.array(scores[name]) for name in RATED},
    )
