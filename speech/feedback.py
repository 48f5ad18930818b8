"""What to tell a learner: few things, and only those that the measures support.

A word is named if experts would find fault with it two times in three; better to stay silent
about a weak word than to correct a good one. What was heard instead is never claimed: alignment
does not know it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speech.analysis import ProblematicWord, Severity
from speech.fluency import Fluency

MAX_PROBLEMATIC_WORDS: Final = 5

# Upper ends of the confidence of each severity; above the last a word is not named.
_SEVERITIES: Final[tuple[tuple[float, Severity], ...]] = (
    (0.15, "high"),
    (0.25, "medium"),
    (0.35, "low"),
)
# A phone is called weak if it stays this far below 100 in at least two named words.
_WEAK_PHONE_SCORE: Final = 75.0
_MIN_WEAK_WORDS: Final = 2

# Rates and pauses say something about a speaker only over a few words.
_MIN_WORDS: Final = 5
# Conversation runs at 190 to 230 words a minute, lectures for learners at 125 to 160
# (Tauroza & Allison 1990); well outside of both, speed is worth a remark.
_SLOW_WPM, _FAST_WPM = 90.0, 260.0
_MANY_PAUSES: Final = 0.3  # of the time from the first word to the last
_MANY_HESITATIONS: Final = 0.1  # of the words
_GOOD_SCORE: Final = 80.0


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One written word as it was heard.

    Attributes:
        text: As written.
        start_ms: From the beginning of the recording.
        end_ms: From the beginning of the recording.
        confidence: Probability 0-1 that it was said well.
        phones: IPA symbol and score 0-100 of each phone.
        is_judged: False for hesitations and for words whose pronunciation is a guess.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    phones: tuple[tuple[str, float], ...]
    is_judged: bool


def problematic(words: Sequence[HeardWord]) -> list[HeardWord]:
    """The least certain words, worst first, each word once, at most `MAX_PROBLEMATIC_WORDS`."""
    worst: dict[str, HeardWord] = {}
    for word in sorted(words, key=lambda word: word.confidence):
        if word.is_judged and _severity(word) is not None:
            worst.setdefault(word.text.casefold(), word)
    return list(worst.values())[:MAX_PROBLEMATIC_WORDS]


def explain(word: HeardWord) -> ProblematicWord:
    """Say in plain words what was found and what to do."""
    weakest, _ = min(word.phones, key=lambda phone: phone[1])
    sounds = " ".join(symbol for symbol, _ in word.phones)
    return ProblematicWord(
        word=word.text,
        issue=f"Hard to recognise, most of all the sound /{weakest}/.",
        severity=_severity(word) or "low",
        start_ms=word.start_ms,
        end_ms=word.end_ms,
        suggestion=f"Say it slowly, sound by sound: /{sounds}/. Then at your usual speed.",
    )


def recommend(
    words: Sequence[HeardWord], fluency: Fluency, *, accuracy_score: float, fluency_score: float
) -> list[str]:
    """Advise what follows from the measures; nothing if they stand out nowhere.

    Args:
        words: All words in order.
        fluency: Of the same words.
        accuracy_score: 0-100.
        fluency_score: 0-100.
    """
    named = problematic(words)
    advice = [_about_phone(symbol, texts) for symbol, texts in _weak_phones(named)]
    if len(words) >= _MIN_WORDS:
        advice += _about_rate(fluency) + _about_breaks(fluency, len(words))
    if not advice and not named and min(accuracy_score, fluency_score) >= _GOOD_SCORE:
        advice.append("Clear and fluent. Try a longer or harder sentence.")
    return advice


def _severity(word: HeardWord) -> Severity | None:
    return next((name for limit, name in _SEVERITIES if word.confidence < limit), None)


def _weak_phones(named: Sequence[HeardWord]) -> list[tuple[str, list[str]]]:
    """Phones that are weak in several named words, with these words."""
    found: dict[str, list[str]] = defaultdict(list)
    for word in named:
        for symbol in dict.fromkeys(s for s, score in word.phones if score < _WEAK_PHONE_SCORE):
            found[symbol].append(word.text)
    return [(symbol, texts) for symbol, texts in found.items() if len(texts) >= _MIN_WEAK_WORDS]


def _about_phone(symbol: str, texts: Sequence[str]) -> str:
    listed = ", ".join(f"“{text}”" for text in texts)
    return f"Practise the sound /{symbol}/: it was hard to recognise in {listed}."


def _about_rate(fluency: Fluency) -> list[str]:
    rate = fluency.articulation_rate_wpm
    if rate < _SLOW_WPM:
        return [f"You speak slowly, {rate:.0f} words a minute without pauses. Link your words."]
    if rate > _FAST_WPM:
        return [f"You speak fast, {rate:.0f} words a minute. Give each word its time."]
    return []


def _about_breaks(fluency: Fluency, words: int) -> list[str]:
    advice = []
    share = fluency.pause_seconds / (fluency.pause_seconds + fluency.speech_seconds)
    if share > _MANY_PAUSES:
        advice.append(
            f"Pauses take {100 * share:.0f} % of your time. "
            "Say groups of words in one breath and pause between the groups."
        )
    if fluency.hesitations > max(1, _MANY_HESITATIONS * words):
        advice.append(
            f"You hesitated {fluency.hesitations} times (“um”, or a word said again). "
            "A short silence sounds calmer."
        )
    return advice
