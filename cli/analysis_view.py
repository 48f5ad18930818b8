"""An analysis prepared for display: each word with its sounds and a verdict."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from speech.analysis import PhonemeAnalysis, SpeechAnalysis, SpeechTiming
from speech.feedback.texts import Texts
from speech.feedback.thresholds import SEVERITIES, UNCLEAR_PHONE_SCORE

Verdict = Literal["clear", "fair", "unclear", "hesitation", "not judged"]

UNWRITTEN: Final = "(…)"  # a hesitation that is not in the text

# Below the first limit feedback reports a word or sound; from the second on it is clear.
_WORD_LIMITS: Final = (SEVERITIES[-1][0], 0.65)
_SOUND_LIMITS: Final = (UNCLEAR_PHONE_SCORE, 80.0)


@dataclass(frozen=True, slots=True)
class ShownScore:
    """A score of the recording, 0-100, and its interval in whole numbers, if it has one."""

    name: str
    score: int
    interval: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class ShownSound:
    """One sound; `note` is the feedback on it, often empty.

    `score` is None if the word is not judged.
    """

    ipa: str
    score: int | None
    verdict: Verdict
    note: str


@dataclass(frozen=True, slots=True)
class ShownWord:
    """One word as written, or `UNWRITTEN`; `percent` is its confidence, None if not judged."""

    number: int
    text: str
    start_ms: int
    end_ms: int
    percent: int | None
    verdict: Verdict
    sounds: tuple[ShownSound, ...]


def shown_scores(analysis: SpeechAnalysis) -> list[ShownScore]:
    """Return accuracy, if it is judged, and fluency."""
    scores = {
        "accuracy": analysis.overall_accuracy_score,
        "fluency": analysis.overall_fluency_score,
    }
    return [
        ShownScore(name.capitalize(), score, _interval(analysis.raw_features, name))
        for name, score in scores.items()
        if score is not None
    ]


def _interval(raw: Mapping[str, float], name: str) -> tuple[int, int] | None:
    if f"{name}_low" not in raw:
        return None
    return math.floor(raw[f"{name}_low"]), math.ceil(raw[f"{name}_high"])


def shown_words(texts: Texts, analysis: SpeechAnalysis) -> list[ShownWord]:
    """Return the words in order, each with its sounds, without pauses; notes as in `texts`."""
    words: list[ShownWord] = []
    sounds = analysis.phoneme_analysis
    starts_ms = [sound.start_ms for sound in sounds]
    first = 0
    for timing in analysis.speech_timings:
        if timing.is_pause:
            continue
        end = bisect_left(starts_ms, timing.end_ms, lo=first)
        words.append(_word(texts, len(words) + 1, timing, sounds[first:end]))
        first = end
    return words


def _word(
    texts: Texts, number: int, timing: SpeechTiming, sounds: Sequence[PhonemeAnalysis]
) -> ShownWord:
    sure = timing.confidence
    unjudged: Verdict = "hesitation" if timing.is_hesitation else "not judged"
    return ShownWord(
        number=number,
        text=timing.word or UNWRITTEN,
        start_ms=timing.start_ms,
        end_ms=timing.end_ms,
        percent=None if sure is None else round(100 * sure),
        verdict=unjudged if sure is None else _verdict(sure, _WORD_LIMITS),
        sounds=tuple(
            ShownSound(sound.phoneme, None, unjudged, "") if sure is None else _sound(texts, sound)
            for sound in sounds
        ),
    )


def _sound(texts: Texts, sound: PhonemeAnalysis) -> ShownSound:
    score = sound.accuracy_score
    return ShownSound(sound.phoneme, score, _verdict(score, _SOUND_LIMITS), _note(texts, sound))


def _verdict(value: float, limits: tuple[float, float]) -> Verdict:
    unclear_below, clear_from = limits
    if value < unclear_below:
        return "unclear"
    return "clear" if value >= clear_from else "fair"


def _note(texts: Texts, sound: PhonemeAnalysis) -> str:
    expected = sound.expected_phoneme
    is_other = expected and expected != sound.phoneme
    instead = [texts.say("page.instead_of", sound=expected)] if is_other else []
    return "; ".join([*instead, *sound.issues])
