"""The same text in plain characters, one for one, so that offsets into it stay what they are."""

import unicodedata
from typing import Final

_PLAIN: Final = (
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u2032\u00b4\uff07", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\u2044\u2215", "/")
    # "m²" is no "m2".
    | {character: character for character in "²³"}
    # A pattern in any case takes the Turkish ones for an ASCII i, and they fold to one anyway.
    | {"\u0131": "i", "\u0130": "I"}
)


def plain(text: str) -> str:
    """Write full-width and styled letters, typographic quotes and dashes as a typewriter does.

    Returns:
        A text of the same length: what would take more than one character stays as it is, and
        so do em dashes, which part sentences where hyphens join numbers.
    """
    return text.translate({ord(char): _plain(char) for char in set(text) if not char.isascii()})


def _plain(character: str) -> str:
    folded = _PLAIN.get(character) or unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character
