"""A pronunciation for a word that no dictionary lists: longest spelling first, left to right.

Rules of thumb of English spelling, after the grapheme tables in Cummings (1988), American
English Spelling. Right for about every second phone of a rare word; enough to place the word in
time, not to judge how it was said, which is why the analysis then carries a warning.
"""

import re
from typing import Final

_LETTER_NAMES: Final = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY",
    "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N",
    "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip

_LONG: Final = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}

# Spellings of several letters; any other letter is said by `_SINGLE`.
_SPELLINGS: Final = {
    "eigh": "EY", "ough": "AO", "augh": "AO", "tion": "SH AH N", "sion": "ZH AH N",
    "igh": "AY", "tch": "CH", "dge": "JH", "sch": "SH", "eau": "OW", "ear": "IH R",
    "air": "EH R", "eer": "IH R", "oor": "AO R", "our": "AO R", "qu": "K W", "ck": "K",
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "wr": "R", "kn": "N", "gn": "N",
    "gh": "G", "ng": "NG", "nk": "NG K", "zh": "ZH", "ts": "T S", "ee": "IY", "ea": "IY",
    "oo": "UW", "ou": "AW", "ow": "OW", "oa": "OW", "oe": "OW", "oi": "OY", "oy": "OY",
    "ai": "EY", "ay": "EY", "ei": "EY", "ey": "IY", "ie": "IY", "au": "AO", "aw": "AO",
    "eu": "UW", "ew": "UW", "ue": "UW", "ui": "UW", "ar": "AA R", "er": "ER", "ir": "ER",
    "ur": "ER", "or": "AO R", "ce": "S", "ge": "JH", "x": "K S",
}  # fmt: skip

_SINGLE: Final = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip

# "late": a vowel, one consonant, a silent e at the end: the vowel says its name.
_SILENT_E: Final = re.compile(r"([aeiouy])([bcdfgklmnprstvz])e$")
_GRAPHEME: Final = re.compile("|".join([*sorted(_SPELLINGS, key=len, reverse=True), "[a-z]"]))


def spell(letters: str) -> tuple[str, ...]:
    """Say the names of letters, as in "bbc"."""
    return tuple(phone for letter in letters for phone in _LETTER_NAMES[letter].split())


def sound_out(word: str) -> tuple[str, ...]:
    """Guess the phones of a word in the letters a to z."""
    doubled_once = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", word)
    silent_e = _SILENT_E.search(doubled_once)
    if silent_e is None:
        return _read(doubled_once)
    soft = {"c": "S", "g": "JH"}.get(silent_e[2]) or _SINGLE[silent_e[2]]
    return (*_read(doubled_once[: silent_e.start()]), _LONG[silent_e[1]], soft)


def _read(word: str) -> tuple[str, ...]:
    graphemes = _GRAPHEME.findall(word)
    return tuple(
        phone
        for grapheme in graphemes
        for phone in (_SPELLINGS.get(grapheme) or _SINGLE[grapheme]).split()
    )
