"""Convert text to plain characters, and know where each of them comes from."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

_PLAIN: Final = (
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u2032\u00b4\uff07", "'")
    | dict.fromkeys("\u2033\u02ba", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\u2044\u2215", "/")
    | {"\u301c": "~", "\u266f": "#", "\u00ba": "\u00b0"}
    # Keep the powers: "m²" is not "m2".
    | {character: character for character in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"}
    # "No", "SM" and "TM" would become part of a word.
    | {character: character for character in "\u2116\u2120\u2122"}
    # Turkish dotless and dotted i: case-insensitive patterns match them as an ASCII i.
    | {"\u0131": "i", "\u0130": "I"}
)  # fmt: skip
_BACKTICK: Final = re.compile(r"(?<=\w)`(?=\w)")  # "don`t"
_LETTERS: Final = re.compile("[A-Za-z]{2,9}")


class Plain(NamedTuple):
    """A text in plain characters.

    Attributes:
        text: Letters, digits and signs without their styles; nothing invisible.
        places: For each character of `text`, the place in the original of the one it stands for.
    """

    text: str
    places: Sequence[int]

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        """Return `[start, end)` in the original of a match, which is not empty."""
        first, last = match.start(), match.end() - 1
        start = self.places[first]
        is_cut = first > 0 and self.places[first - 1] == start  # a ligature in an endless word
        return start + is_cut, self.places[last] + 1


def plain(text: str) -> Plain:
    """Replace full-width and styled letters, typographic quotes and dashes by plain ones.

    Soft hyphens, joiners and marks of direction are left out, wherever they are. Ligatures and
    composed units become letters: "㎏" is "kg". Em dashes stay: they separate sentences, while a
    hyphen joins numbers.
    """
    replaced = {ord(char): _plain(char) for char in set(text) if not char.isascii()}
    simple = _BACKTICK.sub("'", text.translate(replaced))
    if all(len(characters) == 1 for characters in replaced.values()):
        return Plain(simple, range(len(text)))
    places = [
        place for place, char in enumerate(text) for _ in replaced.get(ord(char), char)
    ]  # fmt: skip
    return Plain(simple, places)


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""
    if character in _PLAIN:
        return _PLAIN[character]
    folded = unicodedata.normalize("NFKC", character)
    folded = _PLAIN.get(folded, folded)
    return folded if len(folded) == 1 or _LETTERS.fullmatch(folded) else character
