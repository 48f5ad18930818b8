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
from speech.feedback.texts import Texts

FULL_SCORE: Final = 90.0  # the best recordings of the corpus get little more
_LEAST_POINTS: Final = 1.5  # less is within the error
_MOST_REASONS: Final = 3
_WORDS_NAMED: Final = 2
_LEAST_GAPS: Final = 0.005  # share of the time; less is rounded to none


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
    texts: Texts,
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
        return texts.say("reasons.no_measure")
    named = texts.messages["reasons.cost_separator"].join(
        _cost(texts, name, values[name], f"{points:.0f}", words) for name, points in lost.items()
    )
    costs = texts.say("reasons.costs", costs=named)
    rest = FULL_SCORE - min(accuracy_score, fluency_score) - sum(lost.values())
    if rest > sum(lost.values()):
        return texts.sentences(costs, texts.say("reasons.no_measure_for_the_rest"))
    return costs


def merit(texts: Texts, words: Sequence[HeardWord], measures: Mapping[str, float]) -> str:
    """Name what was good, with the measured numbers."""
    values = measured(words, measures)
    sounds, share = f"{values['sounds']:.0f}", values["pause_share"]
    pace = _sounds_a_second(values["log_phones_per_spoken_second"])
    if share < _LEAST_GAPS:
        return texts.say("reasons.merit", mean=sounds, pace=pace)
    return texts.say(
        "reasons.merit_with_gaps", mean=sounds, pace=pace, percent=f"{100 * share:.0f}"
    )


def _cost(texts: Texts, name: str, value: float, points: str, words: Sequence[HeardWord]) -> str:
    if name == "sounds":
        return _cost_of_sounds(texts, f"{value:.0f}", points, words)
    best = MEASURES[name].best
    if name == "duration_spread":
        return texts.say("reasons.rhythm", points=points, times=texts.decimal(value / best))
    if name == "log_phones_per_spoken_second":
        pace, best_pace = _sounds_a_second(value), _sounds_a_second(best)
        return texts.say("reasons.pace", points=points, pace=pace, best=best_pace)
    measure = "gaps" if name == "pause_share" else "hesitations"
    return texts.say(f"reasons.{measure}", points=points, percent=f"{100 * value:.0f}")


def _cost_of_sounds(texts: Texts, mean: str, points: str, words: Sequence[HeardWord]) -> str:
    """Name the judged words of the least confidence, if any."""
    judged = sorted((word for word in words if word.is_judged), key=lambda word: word.confidence)
    named = list(dict.fromkeys(texts.quoted(word.text) for word in judged))[:_WORDS_NAMED]
    if not named:
        return texts.say("reasons.sounds", points=points, mean=mean)
    listed = texts.paired(named)
    return texts.say("reasons.sounds_in_words", points=points, mean=mean, words=listed)


def _sounds_a_second(log_phones_per_second: float) -> str:
    return f"{np.exp(log_phones_per_second):.0f}"
