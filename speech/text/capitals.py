"""Read words by their capitals: "BBC", "CDs", "U.S.", "YouTube", "Henry VIII"."""

import re
from typing import Final

from speech.text import lexicon
from speech.text.letter_to_sound import spell
from speech.text.numerals import cardinal, ordinal, words_of

# Words in lower case, initialisms in capitals, unless the previous word is in capitals as well.
_LETTERS: Final = frozenset({"US", "IT", "ID", "AI", "UN", "PE", "PR", "HR", "AC", "EU"})
# Unlisted initialisms are read as words from this length on: "UNICEF".
_MIN_WORD_LETTERS: Final = 5

_ROMAN: Final = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12,
    "XIII": 13, "XIV": 14, "XV": 15, "XVI": 16,
}  # fmt: skip
_NUMBERED: Final = frozenset({
    "act", "article", "book", "chapter", "class", "episode", "fantasy", "grade", "level", "part",
    "phase", "scene", "section", "stage", "star", "type", "unit", "volume", "war",
})  # fmt: skip
_RULERS: Final = frozenset({
    "alexander", "benedict", "catherine", "charles", "edward", "elizabeth", "francis",
    "frederick", "george", "henry", "james", "louis", "napoleon", "nicholas", "paul", "philip",
    "ramses", "richard", "william",
})  # fmt: skip

_CAPITALS: Final = re.compile(r"([A-Z]{2,12})('?s)?")
_CAMEL: Final = re.compile(r"[A-Z]{1,64}(?![a-z'])|[A-Z]?[a-z']{1,64}")
_SHOUTED: Final = re.compile(r"(?<![A-Za-z])[A-Z]{2,12}(?![A-Za-z])")
_LOWER: Final = re.compile(r"[a-z]")


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
    if letters in _ROMAN and not ending and (said := _spoken_roman(letters, before)):
        return said
    if not _is_initialism(letters, before):
        return ()
    named = spoken_letters(letters)
    return (*named[:-1], named[-1].rstrip(".") + "'s") if ending else named


def _is_initialism(letters: str, before: str) -> bool:
    word = letters.lower()
    if letters in _LETTERS:
        return len(before) == 1 or not before.isupper()
    listed = lexicon.listed(word)
    if listed:
        return spell(word) in listed
    return len(word) < _MIN_WORD_LETTERS or not re.search("[aeiouy]", word)


def _spoken_roman(letters: str, before: str) -> tuple[str, ...]:
    if before.lower() in _NUMBERED:
        return words_of(cardinal(_ROMAN[letters]))
    if before.lower() in _RULERS:
        return ("the", *words_of(ordinal(_ROMAN[letters])))
    return ()


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
