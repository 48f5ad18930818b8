"""Read Roman numerals after what is numbered: "Henry VIII", "Chapter IV", "the XXI century"."""

import re
from typing import Final

from speech.text import lexicon
from speech.text.numerals import cardinal, ordinal, words_of, year

_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NUMERAL: Final = re.compile(r"C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_YEAR: Final = re.compile(
    "(?=[MDCLXVI]{4})M{1,2}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
)
_NUMBERED: Final = frozenset({
    "act", "article", "book", "chapter", "class", "episode", "fantasy", "grade", "level", "part",
    "phase", "scene", "section", "stage", "star", "title", "type", "unit", "volume", "war",
})  # fmt: skip
# Likewise, if the numeral has several letters.
_SERIES: Final = frozenset({
    "bowl", "ch.", "fig.", "godfather", "p.", "page", "pp.", "rambo", "rocky", "vol.",
})  # fmt: skip
_RULERS: Final = frozenset({
    "alexander", "benedict", "catherine", "charles", "edward", "elizabeth", "francis",
    "frederick", "george", "henry", "james", "john", "leo", "louis", "mary", "napoleon",
    "nicholas", "paul", "peter", "philip", "pius", "ramses", "richard", "victoria", "wilhelm",
    "william",
})  # fmt: skip
# Neither a word nor initials: not "IV", "XL", "XXX" or "LIV".
_UNMISTAKABLE: Final = re.compile("[LX]{0,4}(?:V?II|V?III|XIV|XVI|XIX|IX)")
_ENDS: Final = re.compile(r"[.,;:!?)]|$")

CENTURY: Final = r"\b(?:[IVX]{1,6}|[ivx]{2,6})(?=(?:th)?\ [cC]entur(?:y|ies)\b)"


def is_numeral(word: str) -> bool:
    """Return whether a word, in any case, can be a numeral: "xviii"."""
    letters = word.upper()
    return bool(_NUMERAL.fullmatch(letters) or _YEAR.fullmatch(letters))


def spoken_century(match: re.Match[str]) -> tuple[str, ...]:
    """Say the number of a century: "twenty-first"."""
    return words_of(ordinal(_value(match[0].upper())))


def spoken_roman(match: re.Match[str], before: str, *, shouted: bool) -> tuple[str, ...]:
    """Say a Roman numeral; empty if this is none, or is more likely a word or initials.

    Args:
        match: One word.
        before: The previous word as written.
        shouted: Whether the whole text is in capitals.
    """
    letters, _, ending = match[0].partition("'")
    if ending not in {"", "s"}:
        return ()
    said = _said(match, letters, before, shouted=shouted)
    return (*said[:-1], f"{said[-1]}'{ending}") if said and ending else said


def _said(match: re.Match[str], written: str, before: str, *, shouted: bool) -> tuple[str, ...]:
    letters, previous = written.upper(), before.lower()
    if written == letters and _YEAR.fullmatch(letters) and not lexicon.listed(letters.lower()):
        return words_of(year(_value(letters)))
    if not _NUMERAL.fullmatch(letters) or letters in {"C", "L"}:
        return ()
    is_last = bool(_ENDS.match(match.string, match.end()))
    is_capital = before[:1].isupper() and written == letters and (is_last or not shouted)
    is_numbered = previous in _NUMBERED or (previous in _SERIES and len(letters) > 1)
    if is_numbered and (len(letters) > 1 or is_capital):
        return words_of(cardinal(_value(letters)))
    if written != letters:
        return ()
    is_name = len(letters) > 1 or is_last or (is_capital and letters != "I")
    if previous in _RULERS and before[:1].isupper() and is_name:
        return ("the", *words_of(ordinal(_value(letters))))
    return words_of(cardinal(_value(letters))) if _UNMISTAKABLE.fullmatch(letters) else ()


def _value(letters: str) -> int:
    values = [_VALUES[letter] for letter in letters]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)
