"""Recommend what to practise next, from the measures of a whole recording."""

from collections.abc import Mapping, Sequence
from typing import Final

from speech.breaks import Break
from speech.feedback.contrasts import contrast
from speech.feedback.evidence import HeardWord
from speech.feedback.examples import EXAMPLES, Examples
from speech.feedback.reasons import FULL_SCORE, cost, merit
from speech.feedback.rhythm import small_words_share
from speech.feedback.texts import Texts
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
from speech.feedback.words import WeakSound, how, problematic, sound_in_words, weak_sounds
from speech.fluency import Fluency
from speech.text.phones import IPA

_MOST_PLACES: Final = 2


def recommend(
    texts: Texts,
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
        texts: The language of the advice.
        words: All words in order, at least one.
        fluency: Fluency of the same words.
        breaks: Unexpected and missing pauses between them.
        measures: Measures of the utterance, by name.
        accuracy_score: 0-100.
        fluency_score: 0-100.
    """
    advice = [_about_sound(texts, sound) for sound in weak_sounds(words)]
    advice += _about_insertions(texts, words)
    if len(words) >= MIN_WORDS:
        about_pauses = _about_pauses(texts, fluency, len(words), EXAMPLES["en"])
        advice += _about_rate(texts, fluency) + (about_pauses or _about_breaks(texts, breaks))
        advice += _about_rhythm(texts, words)
    lower_score = min(accuracy_score, fluency_score)
    if not advice and not problematic(words) and lower_score >= GOOD_SCORE:
        advice += _praise(texts, words)
    if lower_score >= FULL_SCORE:
        return [*advice, merit(texts, words, measures)]
    scores = {"accuracy_score": accuracy_score, "fluency_score": fluency_score}
    return [*advice, cost(texts, words, measures, **scores)]


def recommend_pace(texts: Texts, fluency: Fluency, words: int, language: str) -> list[str]:
    """Return advice on pauses and hesitations, for engines that do not judge sounds.

    Args:
        texts: The language of the advice.
        fluency: Fluency of the words.
        words: Number of words.
        language: The language that is spoken.
    """
    return _about_pauses(texts, fluency, words, EXAMPLES[language]) if words >= MIN_WORDS else []


def _praise(texts: Texts, words: Sequence[HeardWord]) -> list[str]:
    if sum(word.is_evidence for word in words) < MIN_WORDS:
        return []
    return [texts.say("advice.praise")]


def _about_sound(texts: Texts, weak: WeakSound) -> str:
    words = texts.listed([texts.quoted(word) for word in weak.words])
    sound = sound_in_words(texts, weak.arpabet, but_not=weak.words)
    made = how(texts, weak.arpabet)
    if weak.heard_instead is None:
        return texts.say("advice.sound_unclear", sound=sound, words=words, how=made)
    if not weak.heard_instead:
        return texts.say("advice.sound_missing", sound=sound, words=words, how=made)
    difference = contrast(texts, weak.arpabet, weak.heard_instead, ends_a_vowel=False)
    return texts.say(
        "advice.sound_replaced",
        sound=sound,
        words=words,
        heard=IPA[weak.heard_instead],
        how=difference or made,
    )


def _about_rate(texts: Texts, fluency: Fluency) -> list[str]:
    rate = fluency.articulation_rate_wpm
    if rate < SLOW_WPM:
        return [texts.say("advice.slow", rate=f"{rate:.0f}")]
    if rate > FAST_WPM:
        return [texts.say("advice.fast", rate=f"{rate:.0f}")]
    return []


def _about_insertions(texts: Texts, words: Sequence[HeardWord]) -> list[str]:
    before = list(dict.fromkeys(word.text for word in words if word.follows_insertion))
    if not before:
        return []
    named = texts.paired([texts.quoted(word) for word in before[:_MOST_PLACES]])
    return [texts.say("advice.inserted", words=named)]


def _about_breaks(texts: Texts, breaks: Sequence[Break]) -> list[str]:
    """Name the longest unexpected pause, and the first missing one."""
    unexpected = [one for one in breaks if one.kind == "unexpected"]
    missing = [one for one in breaks if one.kind == "missing"]
    advice = []
    if unexpected:
        longest = max(unexpected, key=lambda one: one.end - one.start)
        advice.append(texts.say("advice.unexpected_pause", word=texts.quoted(longest.word)))
    if missing:
        advice.append(texts.say("advice.missing_pause", word=texts.quoted(missing[0].word)))
    return advice


def _about_pauses(texts: Texts, fluency: Fluency, words: int, examples: Examples) -> list[str]:
    advice = []
    filler = texts.quoted(examples.filler)
    share = fluency.pause_seconds / (fluency.pause_seconds + fluency.speech_seconds)
    run = words / (len(fluency.pauses) + 1)
    if run < SHORT_RUN_WORDS:
        often = "every_word" if run < 1.5 else "every_two_words"
        advice.append(texts.say(f"advice.pause_{often}", example=texts.quoted(examples.word_group)))
    elif share > MANY_PAUSES:
        advice.append(texts.say("advice.many_pauses", percent=f"{100 * share:.0f}"))
    if fluency.hesitations > MOSTLY_OTHER_SPEECH * words:
        advice.append(texts.say("advice.other_speech", filler=filler))
    elif fluency.hesitations > max(1, MANY_HESITATIONS * words):
        advice.append(texts.say("advice.hesitations", count=fluency.hesitations, filler=filler))
    return advice


def _about_rhythm(texts: Texts, words: Sequence[HeardWord]) -> list[str]:
    share = small_words_share(words)
    if share is None or share < LONG_SMALL_WORDS:
        return []
    return [texts.say("advice.small_words")]
