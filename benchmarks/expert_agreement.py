"""Agreement of scores with experts: Pearson correlations with confidence intervals.

Everything is computed from six sums per speaker, so that resampling speakers a thousand times
costs one matrix product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.analysis import SpeechAnalysis
from training.corpus import UTTERANCE_SCORES, RatedWord, Utterance
from training.ratings import match

LEVELS: Final = ("phone", "word", *UTTERANCE_SCORES)
_DRAWS: Final = 1_000
_INTERVAL_PERCENT: Final = (2.5, 97.5)
_MIN_SPEAKERS_DRAWN: Final = 3
# Rounding error of the variance of equal numbers.
_ROUNDING: Final = 1e-5

Array = NDArray[np.float64]
Row = tuple[float, ...]  # score and interval

FULL_SCORE: Final = 100.0
MOST_POINTS: Final = {"phone": 2.0, "word": 10.0} | dict.fromkeys(UTTERANCE_SCORES, 10.0)
_COLUMNS: Final = ("accuracy", "accuracy_low", "accuracy_high")
_NO_INTERVAL: Final = (np.nan, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Our and the experts' numbers for one utterance by level, each of shape (n, 2).

    Attributes:
        speaker: Who said it.
        means: Our scores, 0-100, and the experts' means.
        medians: Likewise with the experts' medians; none for words and phones.
        intervals: Our intervals, 0-100; shape (n, 2), NaN for words and phones without one.
        faulty_below: Our score of a phone below which it counts as mispronounced.
    """

    speaker: str
    means: dict[str, Array]
    medians: dict[str, Array]
    intervals: dict[str, Array]
    faulty_below: float

    def covered(self, level: str) -> NDArray[np.bool_]:
        """Return for each interval whether the experts' mean is inside."""
        means = FULL_SCORE / MOST_POINTS[level] * self.means[level][:, 1]
        low, high = self.intervals[level].T
        return np.asarray(((low <= means) & (means <= high))[~np.isnan(low)])


def compare(utterance: Utterance, analysis: SpeechAnalysis) -> Comparison:
    """Pair the analysis with the ratings; every rated word and phone gets a number."""
    said: list[dict[str, Any]] = analysis.raw_alignment["words"]
    features = analysis.raw_features
    words, phones = (
        np.reshape(rows, (-1, len(_COLUMNS))) for rows in _judged(utterance.words, said)
    )
    rated_phones = [rating for word in utterance.words for rating in word.phone_accuracy]
    return Comparison(
        speaker=utterance.speaker,
        means={
            "phone": np.column_stack([phones[:, 0], rated_phones]),
            "word": np.column_stack([words[:, 0], [word.accuracy for word in utterance.words]]),
            **{
                name: np.array([[features[name], rated]]) for name, rated in utterance.means.items()
            },
        },
        medians={
            name: np.array([[features[name], rated]]) for name, rated in utterance.medians.items()
        },
        intervals={
            "phone": phones[:, 1:],
            "word": words[:, 1:],
            **{
                name: np.array([[features.get(f"{name}_{end}", np.nan) for end in ("low", "high")]])
                for name in utterance.means
            },
        },
        faulty_below=analysis.raw_alignment["faulty_below"],
    )


def _judged(
    rated: Sequence[RatedWord], said: Sequence[dict[str, Any]]
) -> tuple[list[Row], list[Row]]:
    """Return our number and interval for each rated word and each rated phone.

    The engine may have aligned another pronunciation than the experts rated: phones are matched
    within the word, and one without a counterpart gets the mean of its word's phones, without an
    interval.
    """
    whole = (float(np.mean([word["accuracy"] for word in said])), *_NO_INTERVAL)
    words: list[Row] = []
    phones: list[Row] = []
    counterparts = match([word.text.lower() for word in rated], [word["word"] for word in said])
    for word, index in zip(rated, counterparts, strict=True):
        if index is None:
            words.append(whole)
            phones += [whole] * len(word.phones)
            continue
        names = [phone for phone, *_ in said[index]["phones"]]
        # A text in doubt has no intervals.
        rows = [
            (score, *(interval or _NO_INTERVAL))
            for _, _, _, score, *interval in said[index]["phones"]
        ]
        mean = (float(np.mean([score for score, *_ in rows])), *_NO_INTERVAL)
        words.append(tuple(said[index].get(column, np.nan) for column in _COLUMNS))
        phones += [mean if place is None else rows[place] for place in match(word.phones, names)]
    return words, phones


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations of one level; None if either side is constant.

    Attributes:
        sums: Shape (speakers, 6): n, Σx, Σy, Σx², Σy², Σxy of each speaker.
    """

    sums: Array

    @property
    def overall(self) -> float | None:
        """Correlation of all numbers."""
        return _number(_ratio(_scatter(self.sums.sum(axis=0))))

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Middle 95 % of `overall` when speakers are resampled (bootstrap)."""
        speakers = len(self.sums)
        if speakers < _MIN_SPEAKERS_DRAWN or self.overall is None:
            return None, None
        even = np.full(speakers, 1 / speakers)
        draws = np.random.default_rng(0).multinomial(speakers, even, _DRAWS)
        low, high = np.nanpercentile(_ratio(_scatter(draws @ self.sums)), _INTERVAL_PERCENT)
        return _number(low), _number(high)

    @property
    def between_speakers(self) -> float | None:
        """Correlation of the speakers' means."""
        means = self.sums[:, 1:3] / self.sums[:, :1]
        return _number(_ratio(_scatter(_sums(means))))

    @property
    def within_speakers(self) -> float | None:
        """Correlation of all numbers after subtracting each speaker's means."""
        return _number(_ratio(_scatter(self.sums).sum(axis=0)))


def agreement(pairs: Sequence[tuple[str, Array]]) -> Agreement:
    """Sum up pairs of a speaker and numbers of shape (n, 2); speakers may repeat."""
    sums: dict[str, Array] = {}
    for speaker, numbers in pairs:
        sums[speaker] = sums.get(speaker, np.zeros(6)) + _sums(numbers)
    return Agreement(np.array(list(sums.values())).reshape(-1, 6))


def agreement_by_level(compared: Sequence[Comparison]) -> dict[str, Agreement]:
    """Compare every level with the experts' means."""
    return {
        level: agreement([(one.speaker, one.means[level]) for one in compared]) for level in LEVELS
    }


def _sums(numbers: Array) -> Array:
    x, y = numbers.T
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])


def _scatter(sums: Array) -> Array:
    """Return n·var(x), n·var(y), n·cov(x, y), shape (..., 3)."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1)
    return np.stack([xx - x * x / n, yy - y * y / n, xy - x * y / n], axis=-1)


def _ratio(scatter: Array) -> Array:
    x, y, both = np.moveaxis(scatter, -1, 0)
    changes = (x > _ROUNDING) & (y > _ROUNDING)
    return np.where(changes, both / np.sqrt(np.where(changes, x * y, 1.0)), np.nan)


def _number(value: Array | float) -> float | None:
    """Convert to a number for JSON; None if it is not finite."""
    return round(float(value), 4) if np.isfinite(value) else None
