"""Read words by their capitals: "BBC", "CDs", "CO2", "YouTube"; and the letter "A"."""

import re
from typing import Final

from speech.text import lexicon
from speech.text.letter_to_sound import spell

# Words in lower case, initialisms in capitals, unless the previous word is in capitals as well.
_LETTERS: Final = frozenset({
    "AC", "AD", "AI", "AR", "DOB", "ER", "EST", "ET", "EU", "EV", "HR", "ID", "IT", "LA", "LAX",
    "LED", "OS", "PA", "PE", "PR", "ROI", "SAT", "SEO", "UN", "US",
})  # fmt: skip
# Unlisted initialisms are read as words from this length on: "UNICEF".
_MIN_WORD_LETTERS: Final = 5
_MAX_CODE_LETTERS: Final = 3

# A letter follows: "vitamin A".
_LETTERED: Final = frozenset({
    "an", "answer", "block", "building", "class", "exhibit", "form", "gate", "grade", "group",
    "hepatitis", "letter", "level", "option", "part", "plan", "platform", "point", "section",
    "team", "terminal", "type", "unit", "vitamin", "zone",
})  # fmt: skip

_ALWAYS_LETTERED: Final = frozenset({"an", "hepatitis", "vitamin"})

_CAPITALS: Final = re.compile(r"([A-Z]{2,12})('?s)?")
_CAMEL: Final = re.compile(r"[A-Z]{1,64}(?![a-z'])|[A-Z]?[a-z']{1,64}")
_SHOUTED: Final = re.compile(r"(?<![A-Za-z])[A-Z]{2,12}(?![A-Za-z])")
_LOWER: Final = re.compile(r"[a-z]")


# "A" as a letter, not the article: in "A B C", "A/B", "Q&A", "A1", "A+", "a)".
LETTER_A: Final = r"""
    (?<![\w'])(?:
        A(?=[,/&+-]\ ?[B-HJ-Z]\b|\ [&+]\ ?[B-Z]\b|[0-9]|[+-](?!\w)|-[a-z]{2})
        |A(?=\ (?:and|or|to)\ [B-HJ-Z]\b|\ [B-HJ-Z](?:\ [A-Z]\b|[.,!?;]|$))
        |A\b(?!')(?:(?<=(?<![\w'])[A-Z][/&-]A)|(?<=(?<![\w'])[B-HJ-Z]\ A)
            |(?<=(?<![\w'])[B-HJ-Z],\ A)|(?<=(?<![\w'])[B-HJ-Z]\ and\ A))
        |(?<=[a-z]\ )A(?=[.,!?;:]|$|\ (?:major|minor|flat|sharp)\b)
        |[aA](?=\)\ )
        |a(?=,\ ?b\b|\ b\ c\b|/b\b|-z\b|[+=^]|\ [+=≠≤≥<>\u00d7]\ )
    )
"""


def is_shouted(text: str) -> bool:
    """Return whether a text is mostly in capitals, so that they mean nothing."""
    return _LOWER.search(text) is None or 2 * len("".join(_SHOUTED.findall(text))) > len(text)


def spoken_letters(written: str) -> tuple[str, ...]:
    """Return letters as words; "a." is the letter, "a" the article."""
    return tuple("a." if letter == "a" else letter for letter in written.lower())


def spoken_capitals(written: str, before: str) -> tuple[str, ...]:
    """Read a word by its capitals; empty if they do not determine how it is said.

    Args:
        written: ASCII letters and apostrophes.
        before: The previous word as written, empty if there is none.
    """
    capitals = _CAPITALS.fullmatch(written)
    if capitals is None:
        return _spoken_camel(written)
    letters, ending = capitals[1], capitals[2]
    if not _is_initialism(letters, before):
        return ()
    named = spoken_letters(letters)
    return (*named[:-1], named[-1].rstrip(".") + "'s") if ending else named


def is_letter(written: str, before: str, *, shouted: bool) -> bool:
    """Return whether "A" or "a" is the letter, not the article, after a word like "vitamin"."""
    if written == "A" and not shouted:
        return before.lower() in _LETTERED
    return written in {"A", "a"} and before.lower() in _ALWAYS_LETTERED


def is_code(match: re.Match[str]) -> bool:
    """Return whether capitals before a digit or an ampersand are letters: "CO2", "AT&T"."""
    letters, after = match[0], match.string[match.end() : match.end() + 1]
    is_short = 1 < len(letters) <= _MAX_CODE_LETTERS and letters.isalpha() and letters.isupper()
    return is_short and (after.isdigit() or after == "&")


def _is_initialism(letters: str, before: str) -> bool:
    word = letters.lower()
    if letters in _LETTERS:
        return len(before) == 1 or not before.isupper()
    listed = lexicon.listed(word)
    if listed:
        return spell(word) in listed
    return len(word) < _MIN_WORD_LETTERS or not re.search("[aeiouy]", word)


def _spoken_camel(written: str) -> tuple[str, ...]:
    """Split "YouTube" and "OpenAI" at the capitals, unless the whole is listed."""
    parts = _CAMEL.findall(written)
    if len(parts) == 1 or "".join(parts) != written or lexicon.listed(written.lower()):
        return ()
    return tuple(
        word
        for part in parts
        for word in (spoken_letters(part) if _is_capitals(part) else (part.lower(),))
    )


def _is_capitals(part: str) -> bool:
    return part.isupper() and part.isalpha()
