"""Report words worth practising: which, what was wrong, and what to do.

The feedback names the sound heard instead only if the evidence does; otherwise it calls the sound
or the whole word unclear. For a word that was not said, it says only that.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speech.analysis import ProblematicWord, Severity
from speech.feedback.articulation import ARTICULATIONS
from speech.feedback.contrasts import contrast
from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.rhythm import WEAK_WORDS
from speech.feedback.texts import Texts
from speech.feedback.thresholds import (
    MAX_PRACTICE_WORDS,
    MAX_PROBLEMATIC_WORDS,
    MAX_SOUNDS_A_WORD,
    MAX_WEAK_SOUNDS,
    MIN_WEAK_SHARE,
    MIN_WEAK_WORDS,
    SEVERITIES,
    UNCLEAR_PHONE_SCORE,
)
from speech.text.phones import IPA, VOWELS

# The vowels of weak forms, such as those of "would" and "or".
_REDUCED: Final = frozenset({"AH", "ER"})


@dataclass(frozen=True, slots=True)
class WeakSound:
    """A phone that failed in several words.

    Attributes:
        arpabet: The expected phone.
        heard_instead: What was heard in all of them, as in `HeardPhone`; None if that differs.
        words: These words as written, each once, in the order in which they were said.
    """

    arpabet: str
    heard_instead: str | None
    words: tuple[str, ...]


def problematic(words: Sequence[HeardWord]) -> list[HeardWord]:
    """Return up to `MAX_PROBLEMATIC_WORDS` words of least confidence, worst first, each once."""
    worst: dict[str, HeardWord] = {}
    for word in sorted(words, key=lambda word: word.confidence):
        if is_named(word):
            worst.setdefault(word.text.casefold(), word)
    return list(worst.values())[:MAX_PROBLEMATIC_WORDS]


def is_named(word: HeardWord) -> bool:
    """Return whether a word is reported, as mispronounced or, if it was not said, as left out."""
    return word.is_judged and _severity(word) is not None


def explain(texts: Texts, word: HeardWord) -> ProblematicWord:
    """Describe in plain words what was found and what to do."""
    if not word.is_said:
        return ProblematicWord(
            word=word.text,
            issue=texts.say("word.not_said"),
            severity="high",
            start_ms=word.start_ms,
            end_ms=word.end_ms,
            suggestion=texts.say("practice.every_word"),
            sound=None,
        )
    failed = _failed(word)[:MAX_SOUNDS_A_WORD]
    issues = [_issue(texts, word, index) for index in failed] or [texts.say("word.unclear")]
    return ProblematicWord(
        word=word.text,
        issue=texts.sentences(*issues),
        severity=_severity(word) or "low",
        start_ms=word.start_ms,
        end_ms=word.end_ms,
        suggestion=_suggestion(texts, word, failed),
        sound=IPA[word.phones[failed[0]].arpabet] if failed else None,
    )


def weak_sounds(words: Sequence[HeardWord]) -> list[WeakSound]:
    """Return phones that failed in several words and in most that contain them, worst first."""
    having: dict[str, set[str]] = defaultdict(set)
    failing: dict[str, dict[str, tuple[str, str | None]]] = defaultdict(dict)
    for word in words:
        if not word.is_evidence:
            continue
        for phone in word.phones:
            having[phone.arpabet].add(word.text.casefold())
        for phone in (word.phones[index] for index in _failed(word)):
            failing[phone.arpabet].setdefault(
                word.text.casefold(), (word.text, phone.heard_instead)
            )
    weak = [
        WeakSound(
            phone,
            _common([instead for _, instead in failed.values()]),
            tuple(text for text, _ in failed.values()),
        )
        for phone, failed in failing.items()
        if len(failed) >= max(MIN_WEAK_WORDS, MIN_WEAK_SHARE * len(having[phone]))
    ]
    return sorted(weak, key=lambda sound: -len(sound.words))[:MAX_WEAK_SOUNDS]


def practice_words(words: Sequence[HeardWord]) -> list[str]:
    """Return the learner's own words as written, then common ones with the sounds that failed."""
    named = [word for word in problematic(words) if word.is_said]
    sounds = [sound.arpabet for sound in weak_sounds(words)]
    sounds += [word.phones[index].arpabet for word in named for index in _failed(word)[:1]]
    practice = {word.text.casefold(): word.text for word in named}
    for common in (word for sound in sounds for word in ARTICULATIONS[sound].practice):
        practice.setdefault(common.casefold(), common)
    return list(practice.values())[:MAX_PRACTICE_WORDS]


def sound_in_words(texts: Texts, phone: str, *, but_not: Sequence[str] = ()) -> str:
    """Name a phone for learners who cannot read IPA: /θ/, as in “think”."""
    others = {word.casefold() for word in but_not}
    examples = ARTICULATIONS[phone].examples
    example = next((word for word in examples if word not in others), examples[0])
    return texts.say("sound", ipa=IPA[phone], example=texts.quoted(example))


def how(texts: Texts, phone: str) -> str:
    """Explain in a sentence how a phone is made."""
    return _as_sentence(texts.say(f"how.{phone}"))


def _severity(word: HeardWord) -> Severity | None:
    return next((name for limit, name in SEVERITIES if word.confidence < limit), None)


def _failed(word: HeardWord) -> list[int]:
    """Return the indices of the phones that failed: clear replacements first, then the worst."""
    failed = [
        index
        for index, phone in enumerate(word.phones)
        if phone.is_replaced or (is_named(word) and phone.score < UNCLEAR_PHONE_SCORE)
    ]
    return sorted(
        failed, key=lambda index: (not word.phones[index].is_replaced, word.phones[index].score)
    )


def _common(instead: list[str | None]) -> str | None:
    return instead[0] if len(set(instead)) == 1 else None


def _issue(texts: Texts, word: HeardWord, index: int) -> str:
    phone, last = word.phones[index], len(word.phones) - 1
    place = "first" if index == 0 < last else "last" if index == last > 0 else "inner"
    sound = sound_in_words(texts, phone.arpabet, but_not=[word.text])
    if not phone.is_replaced:
        return texts.say(f"word.{place}_unclear", sound=sound)
    if not phone.heard_instead:
        return texts.say(f"word.{place}_missing", sound=sound)
    heard = sound_in_words(texts, phone.heard_instead)
    return texts.say(f"word.{place}_replaced", sound=sound, heard=heard)


def _suggestion(texts: Texts, word: HeardWord, failed: Sequence[int]) -> str:
    practice = _practice(texts, word)
    if not failed:
        return practice
    phone = word.phones[failed[0]]
    advice = _difference(texts, word, failed[0]) or _how(texts, phone, is_one_of=len(failed))
    return texts.sentences(advice, practice)


def _difference(texts: Texts, word: HeardWord, index: int) -> str | None:
    phone = word.phones[index]
    if not (phone.is_replaced and phone.heard_instead):
        return None
    is_last = index == len(word.phones) - 1
    ends_a_vowel = is_last and index > 0 and word.phones[index - 1].arpabet in VOWELS
    return contrast(texts, phone.arpabet, phone.heard_instead, ends_a_vowel=ends_a_vowel)


def _how(texts: Texts, phone: HeardPhone, *, is_one_of: int) -> str:
    """Explain how a phone is made, by name if it is one of several that the issue names."""
    is_dropped = phone.is_replaced and not phone.heard_instead
    advice = (
        texts.say("practice.missing_sound", how=how(texts, phone.arpabet))
        if is_dropped
        else texts.say(f"how.{phone.arpabet}")
    )
    if is_one_of > 1:
        return texts.say("practice.of_sound", ipa=IPA[phone.arpabet], how=advice)
    return _as_sentence(advice)


def _as_sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _practice(texts: Texts, word: HeardWord) -> str:
    if word.text.casefold() in WEAK_WORDS:  # sound by sound would teach learners to drag them
        return texts.say("practice.small_word")
    phones = _taught(word)
    # Without stress marks it is unknown which AH is a schwa, and a learner would stress them all.
    if "AH" in phones and sum(phone in VOWELS for phone in phones) > 1:
        return texts.say("practice.by_syllables")
    return texts.say("practice.by_sounds", sounds=" ".join(IPA[phone] for phone in phones))


def _taught(word: HeardWord) -> tuple[str, ...]:
    """Return the phones to teach: as said, for words such as "read"; for weak forms the usual."""
    said = tuple(phone.arpabet for phone in word.phones)
    is_weak = _REDUCED.issuperset(phone for phone in said if phone in VOWELS)
    return word.usual if is_weak else said
