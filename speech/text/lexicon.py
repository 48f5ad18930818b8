"""How words are pronounced: cmudict, and an approximation for words it does not list."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pocketsphinx import get_model_path

from speech.text.letter_to_sound import sound_out, spell

Phones = tuple[str, ...]

_VOICELESS: Final = frozenset({"P", "T", "K", "F", "TH"})
_SIBILANTS: Final = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_MIN_PART_LETTERS: Final = 3  # parts of a compound; shorter ones match by accident


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """Ways to say a word, the usual one first, in ARPAbet without stress.

    Attributes:
        variants: One or more sequences of phones.
        is_listed: False if no dictionary lists the word and the phones are an approximation.
    """

    variants: tuple[Phones, ...]
    is_listed: bool


def pronounce(word: str) -> Pronunciation:
    """Look a word up, or approximate it.

    Args:
        word: In the letters a to z and apostrophes, at least one letter.
    """
    listed = _dictionary().get(word) or _dictionary().get(word.strip("'"))
    if listed:
        return Pronunciation(listed, is_listed=True)
    return Pronunciation((_approximate(word.replace("'", "")),), is_listed=False)


def dictionary_path() -> Path:
    """Where the pocketsphinx wheel keeps cmudict (BSD)."""
    return Path(get_model_path("en-us/cmudict-en-us.dict"))


@cache
def _dictionary() -> dict[str, tuple[Phones, ...]]:
    """Read cmudict: a line a variant, `read R EH D` and `read(2) R IY D`."""
    entries: dict[str, tuple[Phones, ...]] = {}
    for line in dictionary_path().read_text(encoding="utf-8").splitlines():
        entry, *phones = line.split()
        word = entry.partition("(")[0]
        entries[word] = (*entries.get(word, ()), tuple(phones))
    return entries


def _approximate(word: str) -> Phones:
    """From what is known of its parts, else from its letters."""
    if not re.search("[aeiouy]", word):
        return spell(word)
    return _with_ending(word) or _compound(word) or sound_out(word)


def _listed(word: str) -> Phones | None:
    variants = _dictionary().get(word)
    return variants[0] if variants else None


def _with_ending(word: str) -> Phones | None:
    """A listed stem and a regular ending: plural, past, -ing, -ly, -er, -ness."""
    for ending, phones in (
        ("ing", ("IH", "NG")),
        ("ly", ("L", "IY")),
        ("ness", ("N", "AH", "S")),
        ("er", ("ER",)),
    ):
        stem = _stem(word, ending)
        if stem:
            return stem + phones
    if stem := _stem(word, "ed"):
        return stem + _past(stem[-1])
    if stem := _stem(word, "s"):
        return stem + _plural(stem[-1])
    return None


def _stem(word: str, ending: str) -> Phones | None:
    """Phones of the listed stem before an ending: as it is, with its silent e, or undoubled."""
    if not word.endswith(ending) or len(word) < len(ending) + _MIN_PART_LETTERS:
        return None
    stem = word.removesuffix(ending)
    undoubled = stem[:-1] if stem[-1] == stem[-2] else stem
    return _listed(stem) or _listed(stem + "e") or _listed(undoubled)


def _past(last: str) -> Phones:
    if last in {"T", "D"}:
        return ("IH", "D")
    return ("T",) if last in _VOICELESS | (_SIBILANTS - {"Z", "ZH", "JH"}) else ("D",)


def _plural(last: str) -> Phones:
    if last in _SIBILANTS:
        return ("IH", "Z")
    return ("S",) if last in _VOICELESS else ("Z",)


def _compound(word: str) -> Phones | None:
    """Two listed words written as one, the first as long as possible."""
    for cut in range(len(word) - _MIN_PART_LETTERS, _MIN_PART_LETTERS - 1, -1):
        first, second = _listed(word[:cut]), _listed(word[cut:])
        if first and second:
            return first + second
    return None
