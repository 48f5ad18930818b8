"""Pronounce words: cmudict, and an approximation for words that it does not list."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from speech.errors import DamagedModel
from speech.pocketsphinx_wheel import wheel_path
from speech.text.accents import with_accents
from speech.text.letter_to_sound import sound_out, spell
from speech.text.supplement import ADDED, INITIALISMS, REMOVED

Phones = tuple[str, ...]

_VOICELESS: Final = frozenset({"P", "T", "K", "F", "TH"})
_SIBILANTS: Final = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_MIN_STEM_LETTERS: Final = 3  # of a plural; shorter stems match by accident
# cmudict has American spelling: "organise" is listed as "organize".
_BRITISH: Final = re.compile(r"(?<=[iy])s(?=(?:e|ed|es|er|ers|ing|ation|ations)$)")
# Endings after an apostrophe whose sound does not depend on the stem.
_CLITICS: Final[dict[str, Phones]] = {
    "ll": ("AH", "L"),
    "ve": ("AH", "V"),
    "re": ("ER",),
    "m": ("M",),
    "d": ("D",),
}


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """Ways to say a word, the usual one first, in ARPAbet without stress.

    Attributes:
        variants: One or more sequences of phones.
        is_listed: False if no dictionary lists the word and the phones are an approximation.
    """

    variants: tuple[Phones, ...]
    is_listed: bool


@lru_cache(maxsize=16_384)
def pronounce(word: str) -> Pronunciation:
    """Look a word up, or approximate it.

    Args:
        word: Letters a to z and apostrophes, at least one letter.
    """
    american = _BRITISH.sub("z", word)
    if known := listed(word) or listed(word.strip("'")) or _with_clitic(word) or listed(american):
        return Pronunciation(with_accents(word, known), is_listed=True)
    approximation = _approximate(re.sub("[^a-z]", "", word))
    return Pronunciation(with_accents(word, approximation), is_listed=False)


@lru_cache(maxsize=16_384)
def listed(word: str) -> tuple[Phones, ...]:
    """Look a word up in cmudict and its supplement; empty if they do not list it."""
    removed, added = REMOVED.get(word, ()), ADDED.get(word, ())
    known = tuple(phones for phones in _in_cmudict(word) if phones not in removed)
    return known + tuple(phones for phones in added if phones not in known)


def load() -> None:
    """Load the dictionary, so that the first word is as fast as the next."""
    _cmudict()


def dictionary_path() -> Path:
    """Return the path of cmudict."""
    return wheel_path("cmudict-en-us.dict")


@cache
def _cmudict() -> bytes:
    """Lines in the order of their words: `read R EH D`, `read(2) R IY D`."""
    path = dictionary_path()
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedModel(path.name, error) from error


def _in_cmudict(word: str) -> tuple[Phones, ...]:
    """Binary-search the file; parsing it into a table takes longer than analysing a recording."""
    lines, sought = _cmudict(), word.encode()
    low, high = 0, len(lines)
    while low < high:
        start = lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = lines.index(b"\n", start) + 1
        if _entry(lines, start) < sought:
            low = end
        else:
            high = start
    variants = []
    while low < len(lines) and _entry(lines, low) == sought:
        end = lines.index(b"\n", low) + 1
        variants.append(tuple(lines[low:end].decode("ascii").split()[1:]))
        low = end
    return tuple(variants)


def _entry(lines: bytes, start: int) -> bytes:
    return lines[start : lines.index(b" ", start)].partition(b"(")[0]


def _with_clitic(word: str) -> tuple[Phones, ...]:
    """Pronounce a listed word with a clitic: "Dora's", "that'll", "mustn't've"."""
    stem, _, ending = word.rpartition("'")
    stems = listed(stem) or (_with_clitic(stem) if "'" in stem else ())
    if ending == "s":
        return tuple(phones + _sibilant_ending(phones[-1]) for phones in stems)
    if ending in _CLITICS:
        return tuple(phones + _CLITICS[ending] for phones in stems)
    return ()


def _approximate(word: str) -> tuple[Phones, ...]:
    """Pronounce an unlisted word from its singular if listed, otherwise from its letters."""
    if word in INITIALISMS or not re.search("[aeiouy]", word):
        return (spell(word),)
    return plural(word) or sound_out(word)


def plural(word: str) -> tuple[Phones, ...]:
    """Pronounce a listed stem with -s or -es; empty if there is none.

    Other endings and compounds are left to the network, which is as accurate on them.
    """
    if not word.endswith("s") or len(word) <= _MIN_STEM_LETTERS:
        return ()
    stems = listed(word[:-1]) or (listed(word[:-2]) if word.endswith("es") else ())
    return tuple(phones + _sibilant_ending(phones[-1]) for phones in stems)


def _sibilant_ending(last: str) -> Phones:
    if last in _SIBILANTS:
        return ("IH", "Z")
    return ("S",) if last in _VOICELESS else ("Z",)
