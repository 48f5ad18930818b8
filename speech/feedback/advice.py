"""Recommend what to practise next, from the measures of a whole recording."""

from collections.abc import Mapping, Sequence
from typing import Final

from speech.breaks import Break
from speech.feedback.articulation import ARTICULATIONS
from speech.feedback.contrasts import contrast
from speech.feedback.evidence import HeardWord
from speech.feedback.reasons import FULL_SCORE, cost, merit
from speech.feedback.rhythm import small_words_share
from speech.feedback.thresholds import (
    FAST_WPM,
    GOOD_SCORE,
    LONG_SMALL_WORDS,
    MANY_HESITATIONS,
    MANY_PAUSES,
    MIN_WORDS,
    MOSTLY_OTHER_SPEECH,
    SHORT_RUN_WORDS,
    SLOW_WPM,
)
from speech.feedback.words import WeakSound, problematic, sound_in_words, weak_sounds
from speech.fluency import Fluency
from speech.text.phones import IPA

_MOST_PLACES: Final = 2


def recommend(
    words: Sequence[HeardWord],
    fluency: Fluency,
    breaks: Sequence[Break],
    measures: Mapping[str, float],
    *,
    accuracy_score: float,
    fluency_score: float,
) -> list[str]:
    """Return advice on what stands out, or praise, and the reasons of the scores.

    Args:
        words: All words in order, at least one.
        fluency: Fluency of the same words.
        breaks: Unexpected and missing pauses between them.
        measures: Measures of the utterance, by name.
        accuracy_score: 0-100.
        fluency_score: 0-100.
    """
    advice = [_about_sound(sound) for sound in weak_sounds(words)]
    advice += _about_insertions(words)
    if len(words) >= MIN_WORDS:
        about_pauses = _about_pauses(fluency, len(words))
        advice += _about_rate(fluency) + (about_pauses or _about_breaks(breaks))
        advice += _about_rhythm(words)
    lower_score = min(accuracy_score, fluency_score)
    if not advice and not problematic(words) and lower_score >= GOOD_SCORE:
        advice += _praise(words)
    if lower_score >= FULL_SCORE:
        return [*advice, merit(words, measures)]
    scores = {"accuracy_score": accuracy_score, "fluency_score": fluency_score}
    return [*advice, cost(words, measures, **scores)]


def _praise(words: Sequence[HeardWord]) -> list[str]:
    if sum(word.is_evidence for word in words) < MIN_WORDS:
        return []
    return ["Clear and fluent. Try a longer or harder sentence."]


def _about_sound(sound: WeakSound) -> str:
    listed = ", ".join(f"“{word}”" for word in sound.words)
    name = sound_in_words(sound.arpabet, but_not=sound.words)
    how = ARTICULATIONS[sound.arpabet].how
    if sound.heard_instead is None:
        return f"Practise {name}: it was unclear in {listed}. {how}"
    if not sound.heard_instead:
        return f"Practise {name}: it was not heard in {listed}. {how}"
    difference = contrast(sound.arpabet, sound.heard_instead, ends_a_vowel=False) or how
    return (
        f"Practise {name}: in {listed} it sounded like /{IPA[sound.heard_instead]}/. {difference}"
    )


def _about_rate(fluency: Fluency) -> list[str]:
    rate = fluency.articulation_rate_wpm
    if rate < SLOW_WPM:
        return [f"You speak slowly, {rate:.0f} words a minute without pauses. Link your words."]
    if rate > FAST_WPM:
        return [f"You speak fast, {rate:.0f} words a minute. Give each word its time."]
    return []


def _about_insertions(words: Sequence[HeardWord]) -> list[str]:
    before = list(dict.fromkeys(f"“{word.text}”" for word in words if word.follows_insertion))
    if not before:
        return []
    named = " and ".join(before[:_MOST_PLACES])
    return [
        f"Something that is not in the text was heard before {named}. Say only the words of "
        "the text."
    ]


def _about_breaks(breaks: Sequence[Break]) -> list[str]:
    """Name the longest unexpected pause, and the first missing one."""
    unexpected = [one for one in breaks if one.kind == "unexpected"]
    missing = [one for one in breaks if one.kind == "missing"]
    advice = []
    if unexpected:
        longest = max(unexpected, key=lambda one: one.end - one.start)
        advice.append(
            f"You paused after “{longest.word}”, where words belong together. Pause where a phrase "
            "ends."
        )
    if missing:
        advice.append(
            f"A sentence ends after “{missing[0].word}”, but there was no pause. Stop there for a "
            "moment."
        )
    return advice


def _about_pauses(fluency: Fluency, words: int) -> list[str]:
    advice = []
    share = fluency.pause_seconds / (fluency.pause_seconds + fluency.speech_seconds)
    run = words / (len(fluency.pauses) + 1)
    if run < SHORT_RUN_WORDS:
        often = "almost every word" if run < 1.5 else "every two words or so"
        advice.append(
            f"You pause after {often}. Say words that belong together in one go, such as "
            "“in the morning”, and pause between the groups."
        )
    elif share > MANY_PAUSES:
        advice.append(
            f"Pauses take {100 * share:.0f} % of your time. "
            "Say groups of words in one breath and pause between the groups."
        )
    if fluency.hesitations > MOSTLY_OTHER_SPEECH * words:
        advice.append(
            "Much of what was heard adds nothing to the text: “um”, words said again, or other "
            "speech."
        )
    elif fluency.hesitations > max(1, MANY_HESITATIONS * words):
        advice.append(
            f"You hesitated {fluency.hesitations} times (“um”, or a word said again). "
            "A short silence sounds calmer."
        )
    return advice


def _about_rhythm(words: Sequence[HeardWord]) -> list[str]:
    share = small_words_share(words)
    if share is None or share < LONG_SMALL_WORDS:
        return []
    return [
        "Small words such as “the”, “of” and “to” took you longer than the others. Keep them "
        "short and light, and give your time to the words that carry the meaning."
    ]
