"""Fit the intervals of scores and check how often they hold; see `speech/scores/intervals.py`.

Examples are divided into groups of about the same predicted score. The ends of an interval are
quantiles of the experts' means in its group, which leave out a share of them at both ends (at the
lower one, if the upper one is 100). The share is the largest with which 90 % of the means of
held-out speakers are inside, each speaker counting the same (nested conformal prediction: Gupta,
Kuchibhotla & Ramdas 2022). Utterances have one share for each length (Mondrian prediction: Vovk,
Gammerman & Shafer 2005).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.intervals import BEST, LENGTHS, Intervals, ends, length_class
from speech.scores.stacking import PhoneStacking
from training.corpus import UTTERANCE_SCORES
from training.held_out import HeldOutPredictions, without
from training.stacking import corrected, fit_stacking

Array = NDArray[np.floating[Any]]

COVERAGE: Final = 0.9
GROUPS: Final = 12
LEFT_OUT: Final = np.concatenate([[0.001], np.arange(0.0025, 0.5, 0.0025)])
_PER_POINT: Final = 10.0  # of utterances and words
_PER_PHONE_POINT: Final = 50.0
_MARGIN: Final = 0.01  # so that rounding excludes no mean that lies on an end


@dataclass(frozen=True)
class Scored:
    """Scores of n utterances, words or phones, 0-100.

    Attributes:
        scores: Predicted by networks that had not heard the speakers, shape (n,).
        means: The experts' means, shape (n,).
        speakers: Shape (n,).
        folds: Fold of the network, shape (n,).
        lengths: See `length_class`; 0 for words and phones; shape (n,).
    """

    scores: Array
    means: Array
    speakers: NDArray[np.str_]
    folds: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def of(self, kept: NDArray[np.bool_ | np.int64]) -> "Scored":
        """Return a selection."""
        return Scored(
            self.scores[kept], self.means[kept], self.speakers[kept], self.folds[kept],
            self.lengths[kept],
        )  # fmt: skip

    @property
    def weights(self) -> Array:
        """Weights with which each speaker counts the same; their sum is the number of speakers."""
        _, place, counts = np.unique(self.speakers, return_inverse=True, return_counts=True)
        return np.asarray(1 / counts[place])


def scored(
    predictions: HeldOutPredictions, stacking: PhoneStacking, kept: NDArray[np.bool_]
) -> dict[str, Scored]:
    """Return the scores of the kept examples by level; phones are always of clean recordings."""
    counts = predictions.word_counts
    example = np.repeat(np.arange(len(kept)), counts)  # of each word
    words, phones = kept[example], predictions.phones
    levels = {
        name: Scored(
            _PER_POINT * predictions.utterances[kept, index],
            _PER_POINT * predictions.labels[kept, index],
            predictions.speaker[kept],
            predictions.fold[kept],
            length_class(counts[kept]),
        )
        for index, name in enumerate(UTTERANCE_SCORES)
    }
    levels["word"] = Scored(
        _PER_POINT * predictions.words[words],
        _PER_POINT * predictions.ratings[words],
        predictions.speaker[example[words]],
        predictions.word_fold[words],
        np.zeros(int(words.sum()), np.int64),
    )
    levels["phone"] = Scored(
        _PER_PHONE_POINT * corrected(phones, stacking),
        _PER_PHONE_POINT * phones.ratings,
        phones.speaker,
        phones.fold,
        np.zeros(len(phones.fold), np.int64),
    )
    return levels


def fit_intervals(predictions: HeldOutPredictions, stacking: PhoneStacking) -> Intervals:
    """Fit the intervals to predictions for clean recordings."""
    *utterances, words, phones = scored(predictions, stacking, predictions.variant == 0).values()
    return Intervals(
        np.stack([fit_curves(each, len(LENGTHS) + 1) for each in utterances]),
        fit_curves(words, 1)[0],
        fit_curves(phones, 1)[0],
    )


def fit_curves(known: Scored, lengths: int) -> Array:
    """Fit predicted scores and ends of intervals for each length, shape (lengths, 3, n)."""
    inside = np.empty((len(known.scores), len(LEFT_OUT)), bool)
    for fold in np.unique(known.folds):
        own = known.folds == fold
        inside[own] = _inside(_nested(known.of(~own)), known.of(own))
    nested = _nested(known)
    by_length = [known.lengths == length for length in range(lengths)]
    return np.stack(
        [nested[_narrowest(inside[same], known.of(same).weights)] for same in by_length]
    )


def _narrowest(inside: NDArray[np.bool_], weights: Array) -> int:
    """Return the last of the nested intervals that hold often enough; the widest if none does."""
    if not len(weights):  # the training data have none of this length
        return 0
    enough = weights @ inside >= COVERAGE * weights.sum()
    return int(np.flatnonzero(enough).max(initial=0))


def _nested(known: Scored) -> Array:
    """Return intervals, from wide to narrow, one for each of `LEFT_OUT`: shape (m, 3, n)."""
    order = np.argsort(known.scores, kind="stable")
    groups = [known.of(group) for group in np.array_split(order, min(GROUPS, len(order)))]
    predicted = [np.average(group.scores, weights=group.weights) for group in groups]
    high = np.stack([_quantiles(group, 1 - LEFT_OUT / 2) for group in groups], axis=1)
    both, one = (
        np.stack([_quantiles(group, left_out) for group in groups], axis=1)
        for left_out in (LEFT_OUT / 2, LEFT_OUT)
    )
    low = np.where(high >= BEST, one, both)
    return np.stack(
        [
            np.broadcast_to(predicted, low.shape),
            np.maximum.accumulate(low, axis=1) - _MARGIN,
            np.maximum.accumulate(high, axis=1) + _MARGIN,
        ],
        axis=1,
    )


def _quantiles(group: Scored, shares: Array) -> Array:
    """Return quantiles of the means, interpolated between the middles of their weights."""
    order = np.argsort(group.means, kind="stable")
    weights = group.weights[order]
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    return np.asarray(np.interp(shares, middles, group.means[order]))


def _inside(nested: Array, known: Scored) -> NDArray[np.bool_]:
    """Return which means are in which of the intervals, shape (known, nested)."""
    return np.stack([_holds(ends(curves, known.scores), known) for curves in nested], axis=1)


def _holds(intervals: Array, known: Scored) -> NDArray[np.bool_]:
    low, high = intervals.T
    return np.asarray((low <= known.means) & (known.means <= high))


def validate_intervals(predictions: HeldOutPredictions) -> None:
    """Print shares of means inside their intervals, on speakers that nothing was fitted on.

    For clean recordings all, thirds by score and lengths; for corrupted copies all.
    """
    clean = predictions.variant == 0
    found: dict[str, list[tuple[Scored, Array]]] = {}
    for fold in np.unique(predictions.fold):
        others, own = without(predictions, int(fold)), predictions.fold == fold
        stacking = fit_stacking(others.phones)
        intervals = fit_intervals(others, stacking)
        for kind, kept in (("", own & clean), (", corrupted", own & ~clean)):
            for name, (known, both) in _judged(intervals, stacking, predictions, kept).items():
                of_fold = known.folds == fold
                found.setdefault(name + kind, []).append((known.of(of_fold), both[of_fold]))
    print(f"{'90 % intervals':20} inside  width  thirds by score    short to long")
    for name, parts in found.items():
        if name != "phone, corrupted":
            print(f"{name:20} {_summary(parts)}")


def _judged(
    intervals: Intervals,
    stacking: PhoneStacking,
    predictions: HeldOutPredictions,
    kept: NDArray[np.bool_],
) -> dict[str, tuple[Scored, Array]]:
    """Return scores with their intervals, by level."""
    levels = scored(predictions, stacking, kept)
    utterances = [
        intervals.of_utterance(_PER_POINT * scores, int(words))
        for scores, words in zip(
            predictions.utterances[kept], predictions.word_counts[kept], strict=True
        )
    ]
    both = [
        *np.moveaxis(np.reshape(utterances, (-1, len(UTTERANCE_SCORES), 2)), 1, 0),
        intervals.of_words(levels["word"].scores),
        intervals.of_phones(levels["phone"].scores),
    ]
    pairs = zip(levels.values(), both, strict=True)
    return dict(zip(levels, pairs, strict=True))


def _summary(parts: list[tuple[Scored, Array]]) -> str:
    inside = np.concatenate([_holds(both, known) for known, both in parts])
    scores = np.concatenate([known.scores for known, _ in parts])
    lengths = np.concatenate([known.lengths for known, _ in parts])
    width = np.mean(np.concatenate([both[:, 1] - both[:, 0] for _, both in parts]))
    thirds = [inside[third].mean() for third in np.array_split(np.argsort(scores), 3)]
    by_length = [inside[lengths == each].mean() for each in np.unique(lengths)]
    shares = (" ".join(f"{share:.3f}" for share in some) for some in (thirds, by_length))
    return f"{inside.mean():6.3f} {width:6.1f}  {'  '.join(shares)}"
