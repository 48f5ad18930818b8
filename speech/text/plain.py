"""Convert text to plain characters, one for one, so that offsets into it stay valid."""

import unicodedata
from typing import Final

_PLAIN: Final = (
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u02b9\u2032\u00b4\uff07", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\u2044\u2215", "/")
    # Keep the power: "m²" is not "m2".
    | {character: character for character in "²³"}
    # Turkish dotless and dotted i: case-insensitive patterns match them as an ASCII i.
    | {"\u0131": "i", "\u0130": "I"}
)


def plain(text: str) -> str:
    """Replace full-width and styled letters, typographic quotes and dashes by plain ones.

    Returns:
        A text of the same length: characters that would become several stay as they are, and so
        do em dashes, which separate sentences, while a hyphen joins numbers.
    """
    return text.translate({ord(char): _plain(char) for char in set(text) if not char.isascii()})


def _plain(character: str) -> str:
    folded = _PLAIN.get(character) or unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character
