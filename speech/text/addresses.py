"""Read addresses, names of files, handles and hashtags as people say them."""

import re
from typing import Final

from speech.text.capitals import spoken_capitals
from speech.text.numerals import said_whole, words_of

_TOP_DOMAINS: Final = "com|org|net|edu|gov|io|co|tv|ai|app|dev|info|jp|uk|de|fr|cn|kr"
_EXTENSIONS: Final = (
    "pdf|docx?|xlsx?|pptx?|txt|csv|jpe?g|png|gif|mp[34]|wav|zip|exe|html|css|js|py|md|json"
)
_NAMES: Final = {
    "@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "+": "plus",
    "jpg": "jpeg", "py": "p y", "exe": "e x e", "ai": "a. i", "io": "i o", "docx": "doc x",
    "xls": "x l s", "xlsx": "x l s x", "pptx": "p p t x",
}  # fmt: skip

PATTERNS: Final = {
    "link": r"(?i:\bhttps?|\bftp)://\S{0,4096}",
    "address": rf"""
        (?<![\w.@-])(?:[\w.+-]{{1,64}}@(?:[\w-]{{1,63}}\.){{1,8}}[a-zA-Z]{{2,24}}
        |(?:[a-zA-Z0-9-]{{1,63}}\.){{1,4}}(?i:{_TOP_DOMAINS})(?:/[\w./-]{{0,128}})?(?<![.-])
        |[a-zA-Z0-9_-]{{1,63}}\.(?:{_EXTENSIONS}))(?!\w)
    """,
    "handle": r"(?<![\w@.])@(?=[a-zA-Z_])[\w.]{1,63}(?<!\.)",
    "hashtag": r"(?<![\w&])\#(?:[0-9]{1,8})?[a-zA-Z\u00c0-\u024f]\w{0,63}",
}

_PART: Final = re.compile(r"[a-z]{1,45}|[0-9]{1,4}|[@./_+-]")
_CASED_PART: Final = re.compile(r"[A-Z]{2,12}(?![a-z])|[A-Z]?[a-z]{1,45}|[A-Z]|[0-9]{1,8}|[._]")


def spoken_address(written: str) -> tuple[str, ...]:
    """Say an address as people spell it: with "dot", "at" and "slash"."""
    if written.isupper() or written.partition(".")[0].isupper():  # "ASP.NET"
        return _spoken_parts(written)
    return tuple(word for part in _PART.findall(written.lower()) for word in _spoken_part(part))


def spoken_handle(written: str) -> tuple[str, ...]:
    """Say "at" and the name."""
    return ("at", *_spoken_parts(written[1:]))


def spoken_hashtag(written: str) -> tuple[str, ...]:
    """Say "hashtag" and the words, which begin with capitals or are separated by underscores."""
    return ("hashtag", *_spoken_parts(written[1:].replace("_", " ")))


def _spoken_parts(written: str) -> tuple[str, ...]:
    """Split at capitals and digits."""
    return tuple(
        word
        for part in _CASED_PART.findall(written)
        for word in spoken_capitals(part, "") or _spoken_part(part.lower())
    )


def _spoken_part(part: str) -> tuple[str, ...]:
    if part.isdigit():
        return words_of(said_whole(part))
    return tuple(_NAMES.get(part, part).split())
