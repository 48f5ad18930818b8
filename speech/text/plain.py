"""Convert text to plain characters, and know where each of them comes from."""

import html
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
# An entity of HTML.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{2,7}|#[xX][0-9a-fA-F]{2,6}|[a-zA-Z]{2,9}[0-9]{0,2});")


class Plain(NamedTuple):
    """A text in plain characters.

    Attributes:
        text: Letters, digits and signs without their styles; nothing invisible.
        places: For each character of `text`, the place in the original of what it stands for.
        ends: One past the last code point of the same.
    """

    text: str
    places: Sequence[int]
    ends: Sequence[int]

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        """Return `[start, end)` in the original of a match, which is not empty."""
        first, last = match.start(), match.end() - 1
        start = self.places[first]
        is_cut = first > 0 and self.places[first - 1] == start  # a ligature in an endless word
        return self.ends[first - 1] if is_cut else start, self.ends[last]


def plain(text: str) -> Plain:
    """Replace full-width and styled letters, typographic quotes and dashes by plain ones.

    Soft hyphens, joiners and marks of direction are left out, wherever they are. Ligatures and
    composed units become letters: "㎏" is "kg". Em dashes stay: they separate sentences, while a
    hyphen joins numbers. Entities of HTML become their characters: "&rsquo;" is "'".
    """
    text, places, ends = _decoded(text)
    replaced = {ord(char): _plain(char) for char in set(text) if not char.isascii()}
    simple = _BACKTICK.sub("'", text.translate(replaced))
    if all(len(characters) == 1 for characters in replaced.values()):
        return Plain(simple, places, ends)
    kept = [
        index for index, char in enumerate(text) for _ in replaced.get(ord(char), char)
    ]  # fmt: skip
    return Plain(simple, [places[index] for index in kept], [ends[index] for index in kept])


def _decoded(text: str) -> Plain:
    characters, places, ends, done = [], list[int](), list[int](), 0
    for entity in _ENTITY.finditer(text):
        character = html.unescape(entity[0])
        if len(character) != 1:  # not an entity
            continue
        characters += [*text[done : entity.start()], character]
        places += range(done, entity.start() + 1)
        ends += [*range(done + 1, entity.start() + 1), entity.end()]
        done = entity.end()
    if not done:
        return Plain(text, range(len(text)), range(1, len(text) + 1))
    characters += text[done:]
    places += range(done, len(text))
    ends += range(done + 1, len(text) + 1)
    return Plain("".join(characters), places, ends)


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""
    if character in _PLAIN:
        return _PLAIN[character]
    folded = unicodedata.normalize("NFKC", character)
    folded = _PLAIN.get(folded, folded)
    return folded if len(folded) == 1 or _LETTERS.fullmatch(folded) else character
