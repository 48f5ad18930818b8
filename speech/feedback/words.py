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


def explain(word: HeardWord) -> ProblematicWord:
    """Describe in plain words what was found and what to do."""
    if not word.is_said:
        return ProblematicWord(
            word=word.text,
            issue="It was not heard.",
            severity="high",
            start_ms=word.start_ms,
            end_ms=word.end_ms,
            suggestion="Say every word of the text.",
        )
    failed = _failed(word)[:MAX_SOUNDS_A_WORD]
    issues = [_issue(word, index) for index in failed] or ["It was hard to recognise as a whole."]
    return ProblematicWord(
        word=word.text,
        issue=" ".join(issues),
        severity=_severity(word) or "low",
        start_ms=word.start_ms,
        end_ms=word.end_ms,
        suggestion=_suggestion(word, failed),
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


def sound_in_words(phone: str, *, but_not: Sequence[str] = ()) -> str:
    """Name a phone for learners who cannot read IPA: /θ/, as in “think”."""
    others = {word.casefold() for word in but_not}
    examples = ARTICULATIONS[phone].examples
    example = next((word for word in examples if word not in others), examples[0])
    return f"/{IPA[phone]}/, as in “{example}”"


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


def _issue(word: HeardWord, index: int) -> str:
    phone, last = word.phones[index], len(word.phones) - 1
    place = "first sound" if index == 0 < last else "last sound" if index == last > 0 else "sound"
    return f"The {place} {sound_in_words(phone.arpabet, but_not=[word.text])}, {_finding(phone)}."


def _finding(phone: HeardPhone) -> str:
    if not phone.is_replaced:
        return "was unclear"
    return (
        f"sounded like {sound_in_words(phone.heard_instead)}"
        if phone.heard_instead
        else "was not heard"
    )


def _suggestion(word: HeardWord, failed: Sequence[int]) -> str:
    practice = _practice(word)
    if not failed:
        return practice
    phone = word.phones[failed[0]]
    how = _how(phone)
    if len(failed) > 1:  # the issue names others too
        how = f"For /{IPA[phone.arpabet]}/: {how[0].lower()}{how[1:]}"
    return f"{_difference(word, failed[0]) or how} {practice}"


def _difference(word: HeardWord, index: int) -> str | None:
    phone = word.phones[index]
    if not (phone.is_replaced and phone.heard_instead):
        return None
    is_last = index == len(word.phones) - 1
    ends_a_vowel = is_last and index > 0 and word.phones[index - 1].arpabet in VOWELS
    return contrast(phone.arpabet, phone.heard_instead, ends_a_vowel=ends_a_vowel)


def _how(phone: HeardPhone) -> str:
    how = ARTICULATIONS[phone.arpabet].how
    is_dropped = phone.is_replaced and not phone.heard_instead
    return f"Give it a short moment. {how}" if is_dropped else how


def _practice(word: HeardWord) -> str:
    if word.text.casefold() in WEAK_WORDS:  # sound by sound would teach learners to drag them
        return "Say it clearly by itself, then short and light between the others."
    phones = _taught(word)
    # Without stress marks it is unknown which AH is a schwa, and a learner would stress them all.
    if "AH" in phones and sum(phone in VOWELS for phone in phones) > 1:
        return "Say it slowly, syllable by syllable. Then at your usual speed."
    sounds = " ".join(IPA[phone] for phone in phones)
    return f"Say it slowly, sound by sound: /{sounds}/. Then at your usual speed."


def _taught(word: HeardWord) -> tuple[str, ...]:
    """Return the phones to teach: as said, for words such as "read"; for weak forms the usual."""
    said = tuple(phone.arpabet for phone in word.phones)
    is_weak = _REDUCED.issuperset(phone for phone in said if phone in VOWELS)
    return word.usual if is_weak else said
