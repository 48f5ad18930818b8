"""Texts from outside, made safe to show: in terminals, logs, artifacts and alerts."""

from typing import Final

# `str.isprintable` refuses them, but Japanese and French texts use some.
_SPACES: Final = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
# Letters and marks without a shape of their own.
_SHAPELESS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: str, *, keep: str = "") -> str:
    r"""Return a text in which every character that controls or deceives shows as its escape.

    These are the control characters (C0, C1), with which a terminal is told to do things; the
    bidirectional overrides and isolates, which make a text read otherwise than it is; line and
    paragraph separators, zero-width and other invisible characters; lone surrogates. Letters of
    all scripts, spaces and emoji stay. The escapes are those of JSON (`\u202e`), so a JSON document
    stays one.

    Args:
        text: Any text.
        keep: Control characters that are ours and stay, such as the line breaks of a message.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or _shows(c) else _escape(c) for c in text)


def _shows(character: str) -> bool:
    # Not `isspace`: it accepts control characters.
    return (character.isprintable() and character not in _SHAPELESS) or character in _SPACES


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
