"""Fit the correction of phone scores; see `speech/scores/stacking.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import NetworkOutput
from speech.scores.stacking import BEST, TERMS, PhoneStacking, stacking_terms
from speech.text.phones import PHONES
from training.examples import Example

PENALTY = 30.0  # equivalent to so many examples of a phone without a correction


@dataclass(frozen=True)
class HeldOutPhones:
    """Predictions for n rated phones by networks trained without their speakers, end to end.

    Attributes:
        terms: See `stacking_terms`, shape (n, 3).
        phones: 0 to 38, shape (n,).
        ratings: Experts' ratings, 0 to 2, shape (n,).
        speaker: Shape (n,).
        fold: Fold of the network, shape (n,).
    """

    terms: NDArray[np.floating[Any]]
    phones: NDArray[np.int64]
    ratings: NDArray[np.floating[Any]]
    speaker: NDArray[np.str_]
    fold: NDArray[np.int64]

    def of(self, kept: NDArray[np.bool_]) -> Self:
        """Return a selection."""
        return type(self)(
            self.terms[kept], self.phones[kept], self.ratings[kept], self.speaker[kept],
            self.fold[kept],
        )  # fmt: skip


def rated_phones(example: Example, output: NetworkOutput, fold: int) -> HeldOutPhones:
    """Return the phones of one example that experts rated."""
    rated = ~np.isnan(example.phone_accuracy)
    return HeldOutPhones(
        stacking_terms(example.given, output), example.given.phones, example.phone_accuracy,
        np.full(len(rated), example.speaker), np.full(len(rated), fold),
    ).of(rated)  # fmt: skip


def joined(parts: Sequence[HeldOutPhones]) -> HeldOutPhones:
    """Concatenate."""
    return HeldOutPhones(
        np.concatenate([part.terms for part in parts]),
        np.concatenate([part.phones for part in parts]),
        np.concatenate([part.ratings for part in parts]),
        np.concatenate([part.speaker for part in parts]),
        np.concatenate([part.fold for part in parts]),
    )


def fit_stacking(rated: HeldOutPhones) -> PhoneStacking:
    """Fit the difference between experts' ratings and own scores by penalised least squares."""
    columns = np.hstack([rated.terms, np.eye(len(PHONES))[rated.phones]]).astype(np.float64)
    ridge = PENALTY * np.eye(columns.shape[1])
    missing = rated.ratings - rated.terms[:, 0]
    solution = np.linalg.solve(columns.T @ columns + ridge, columns.T @ missing)
    slopes, offsets = np.split(solution.astype(np.float32), [len(TERMS)])
    return PhoneStacking(slopes, offsets)


def corrected(rated: HeldOutPhones, line: PhoneStacking) -> NDArray[np.floating[Any]]:
    """Return the corrected scores, 0 to 2."""
    change = rated.terms @ line.slopes + line.offsets[rated.phones]
    return np.clip(rated.terms[:, 0] + change, 0, BEST)


def validate_stacking(rated: HeldOutPhones) -> None:
    """Print correlations with experts before and after the correction, on held-out speakers."""
    after = np.empty(len(rated.ratings))
    for fold in np.unique(rated.fold):
        own = rated.fold == fold
        after[own] = corrected(rated.of(own), fit_stacking(rated.of(~own)))
    before = rated.terms[:, 0]
    for name, scores in (("network", before), ("with the line", after)):
        by_fold = [
            np.corrcoef(scores[rated.fold == fold], rated.ratings[rated.fold == fold])[0, 1]
            for fold in np.unique(rated.fold)
        ]
        shown = " ".join(f"{figure:.3f}" for figure in by_fold)
        print(f"phones, {name}: {np.corrcoef(scores, rated.ratings)[0, 1]:.3f}; folds {shown}")
