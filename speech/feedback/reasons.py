"""Say what cost a score its points, or what made it good.

A network predicts the scores, and no part of it can be shown to a learner. But five measures that
learners understand follow its scores closely: a linear regression on them correlates with the
scores of unseen speakers at .93 in accuracy and .94 in fluency (`training/score_reasons.py`, which
prints the numbers below). The points that a measure costs are its slope times its distance from
the best recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from speech.feedback.evidence import HeardWord

FULL_SCORE: Final = 90.0  # the best recordings of the corpus get little more
REASONS_UNKNOWN: Final = (
    "What cost points cannot be told while the text may not match what was said."
)
_LEAST_POINTS: Final = 1.5  # less is within the error
_MOST_REASONS: Final = 3
_WORDS_NAMED: Final = 2


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure and what it costs.

    Attributes:
        best: Its median in recordings with scores of 87 and more.
        accuracy: Points of accuracy for one unit more.
        fluency: Points of fluency for one unit more.
    """

    best: float
    accuracy: float
    fluency: float


# `sounds` is the mean score of all sounds, 0-100; the others are measures of
# `speech.scores.prosody`.
MEASURES: Final = {
    "sounds": Measure(98.4, 1.04, 0.77),
    "pause_share": Measure(0.0, -14.1, -31.7),
    "log_phones_per_spoken_second": Measure(2.31, 5.9, 12.2),
    "duration_spread": Measure(0.77, -4.2, -3.3),
    "hesitations": Measure(0.0, -6.9, -8.6),
}


def measured(words: Sequence[HeardWord], measures: Mapping[str, float]) -> dict[str, float]:
    """Return the value of each of `MEASURES`.

    Args:
        words: At least one.
        measures: Measures of the utterance, by name; see `speech.scores.prosody`.
    """
    sounds = float(np.mean([phone.score for word in words for phone in word.phones]))
    return {name: sounds if name == "sounds" else measures[name] for name in MEASURES}


def points_lost(
    values: Mapping[str, float], *, accuracy_score: float, fluency_score: float
) -> dict[str, float]:
    """Return the points that measures cost the lower of both scores, most first."""
    is_accuracy = accuracy_score < fluency_score
    lost = {
        name: (measure.accuracy if is_accuracy else measure.fluency) * (measure.best - values[name])
        for name, measure in MEASURES.items()
    }
    worst = sorted(lost.items(), key=lambda item: -item[1])[:_MOST_REASONS]
    return {name: points for name, points in worst if points >= _LEAST_POINTS}


def cost(
    words: Sequence[HeardWord],
    measures: Mapping[str, float],
    *,
    accuracy_score: float,
    fluency_score: float,
) -> str:
    """Name what cost points, with the measured numbers, or say that no measure stands out."""
    values = measured(words, measures)
    lost = points_lost(values, accuracy_score=accuracy_score, fluency_score=fluency_score)
    if not lost:
        return (
            "No single measure explains the missing points: your sounds, pauses, pace and rhythm "
            "are like those of the best recordings."
        )
    named = "; ".join(
        f"{_NAMES[name]}, about {points:.0f} ({_detail(name, values[name], words)})"
        for name, points in lost.items()
    )
    rest = FULL_SCORE - min(accuracy_score, fluency_score) - sum(lost.values())
    unexplained = " No single measure explains the rest." if rest > sum(lost.values()) else ""
    return f"What cost points: {named}.{unexplained}"


def merit(words: Sequence[HeardWord], measures: Mapping[str, float]) -> str:
    """Name what was good, with the measured numbers."""
    values = measured(words, measures)
    return (
        f"What was good: your sounds scored {values['sounds']:.0f} of 100 on average, and you said "
        f"{_sounds_a_second(values):.0f} sounds a second with {_gaps(values['pause_share'])}."
    )


_NAMES: Final = {
    "sounds": "sounds",
    "pause_share": "gaps between words",
    "log_phones_per_spoken_second": "pace",
    "duration_spread": "rhythm",
    "hesitations": "hesitations",
}


def _detail(name: str, value: float, words: Sequence[HeardWord]) -> str:
    if name == "sounds":
        return f"{value:.0f} of 100 on average{_least_clear(words)}"
    if name == "pause_share":
        return f"{100 * value:.0f} % of the time"
    if name == "hesitations":
        return f"{100 * value:.0f} for 100 words"
    best = MEASURES[name].best
    if name == "duration_spread":
        return f"the lengths of your sounds vary {value / best:.1f} times as much as usual"
    return f"{np.exp(value):.0f} sounds a second, {np.exp(best):.0f} in the best recordings"


def _least_clear(words: Sequence[HeardWord]) -> str:
    """Name the judged words of the least confidence."""
    judged = sorted((word for word in words if word.is_judged), key=lambda word: word.confidence)
    named = list(dict.fromkeys(f"“{word.text}”" for word in judged))[:_WORDS_NAMED]
    return f", least clear in {' and '.join(named)}" if named else ""


def _sounds_a_second(values: Mapping[str, float]) -> float:
    return float(np.exp(values["log_phones_per_spoken_second"]))


def _gaps(share: float) -> str:
    return (
        f"gaps between words of {100 * share:.0f} %" if share >= 0.005 else "no gap between words"
    )
