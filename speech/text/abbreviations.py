"""Expand abbreviations: titles, Latin, streets and books, chat."""

import re
from collections.abc import Iterable
from typing import Final

# With or without their full stop, in any case. "St.", "Ltd." and "etc." are in cmudict, where the
# alignment chooses between "street" and "saint".
_SHORT: Final = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor", "jr": "junior",
    "sr": "senior", "vs": "versus", "approx": "approximately", "dept": "department",
    "govt": "government", "capt": "captain", "sgt": "sergeant",
    "thx": "thanks", "thnx": "thanks", "pls": "please", "plz": "please", "ppl": "people",
    "btw": "by the way", "idk": "i don't know", "wwi": "world war one", "wwii": "world war two",
    "wwiii": "world war three", "ctrl": "control", "cmd": "command",
}  # fmt: skip
# Exact spelling only.
_DOTTED: Final = {
    "e.g.": "for example", "i.e.": "that is", "cf.": "compare", "ca.": "circa", "Mt.": "mount",
    "Ft.": "fort", "Ave.": "avenue", "Rd.": "road", "Blvd.": "boulevard", "Hwy.": "highway",
    "Sq.": "square", "Lt.": "lieutenant", "Col.": "colonel", "Gen.": "general", "Gov.": "governor",
    "Sen.": "senator", "Rep.": "representative", "Rev.": "reverend", "Hon.": "honorable",
    "Maj.": "major", "Pres.": "president", "Mx.": "mix", "Univ.": "university",
    "incl.": "including", "excl.": "excluding", "est.": "established", "max.": "maximum",
    "tel.": "telephone", "Tel.": "telephone", "temp.": "temperature", "Bros.": "brothers",
    "Ph.D.": "p h d", "PhD": "p h d", "PhDs": "p h d's", "w/o": "without", "w/": "with",
    "b/c": "because", "c/o": "care of", "'n'": "and", "'n": "and",
}  # fmt: skip
# With a full stop, before a number.
_NUMBERED: Final = {
    "vol": "volume", "ch": "chapter", "p": "page", "pp": "pages", "fig": "figure",
    "ext": "extension", "apt": "apartment", "ver": "version", "ed": "edition",
    "ste": "suite", "v": "version",
}  # fmt: skip


def any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches one of them, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


PATTERNS: Final = {
    "short": rf"""(?<![\w.'])(?:(?i:{any_of(_SHORT)})\b\.?
                  |(?:{any_of(_DOTTED)})(?:(?<=[./])|(?!\w)))
                  |(?<=[a-z])'n'(?=[a-z])""",
    "numbered": rf"""(?<![\w.'])(?i:{any_of(_NUMBERED)})\.(?=\ ?[0-9]|\ [IVXL]{{2,7}}\b)
                  |(?<!\w)v(?=[0-9]{{1,4}}\.[0-9])""",
}


def spoken_short(match: re.Match[str]) -> tuple[str, ...]:
    """Say a title, a Latin abbreviation or a shortcut of chats in full."""
    written = match[0]
    said = _DOTTED.get(written) or _SHORT[written.rstrip(".").lower()]
    return tuple(said.split())


def spoken_numbered(match: re.Match[str]) -> tuple[str, ...]:
    """Say "page", "volume" and the like in full."""
    return (_NUMBERED[match[0].rstrip(".").lower()],)
