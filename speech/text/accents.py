"""Add pronunciations of non-rhotic accents: British, Australian, South African.

cmudict is General American. A learner who was taught British English is right too, so each
pronunciation gets a second one where the accents differ by rule or in a known set of words
(Wells 1982, Accents of English, volume 1: non-rhoticity, and the lexical set BATH). Vowels that
merely sound different, as in "lot", are the acoustic model's business.
"""

from collections.abc import Iterable
from typing import Final

from speech.text.phones import VOWELS

Phones = tuple[str, ...]

# Before a silent r these vowels are followed by a schwa: "here", "sure", "fire", "flour".
_CENTRING: Final = {"IY": "IH", "IH": "IH", "UH": "UH", "UW": "UH", "AY": "AY", "AW": "AW"}
# Words whose last AE is said with the vowel of "father".
_BATH: Final = frozenset({
    "advance", "advanced", "advantage", "advantages", "after", "afternoon", "afternoons",
    "afterwards", "aircraft", "answer", "answered", "answering", "answers", "ask", "asked",
    "asking", "asks", "aunt", "aunts", "aunt's", "basket", "basketball", "baskets", "bath",
    "bathroom", "branch", "branches", "broadcast", "can't", "cast", "castle", "castles", "chance",
    "chances", "class", "classes", "classmate", "classmates", "classroom", "classrooms", "command",
    "craft", "dance", "danced", "dancer", "dancers", "dances", "dancing", "demand", "demands",
    "disaster", "disasters", "draft", "example", "examples", "fast", "faster", "fastest", "france",
    "glance", "glass", "glasses", "grant", "grass", "half", "halfway", "last",
    "lasted", "lasts", "laugh", "laughed", "laughing", "laughs", "laughter", "mask", "masks",
    "master", "masters", "nasty", "pass", "passed", "passes", "passing", "passport", "past",
    "path", "paths", "plant", "planted", "planting", "plants", "plaster", "raft", "rather",
    "sample", "samples", "shan't", "slant", "staff", "task", "tasks", "vast",
})  # fmt: skip


def with_accents(word: str, known: Iterable[Phones]) -> tuple[Phones, ...]:
    """Return the given pronunciations of a word, then those of other accents."""
    american = tuple(known)
    broad = tuple(map(_broad, american)) if word in _BATH else ()
    said = american + broad
    return tuple(dict.fromkeys([*said, *map(_without_r, said)]))


def _broad(phones: Phones) -> Phones:
    """Say the last AE as AA; "chance" and "chances" alike."""
    if "AE" not in phones:
        return phones
    last = len(phones) - 1 - phones[::-1].index("AE")
    return (*phones[:last], "AA", *phones[last + 1 :])


def _without_r(phones: Phones) -> Phones:
    """Drop every r that is not followed by a vowel; unstressed -er becomes a schwa."""
    said: list[str] = []
    for index, phone in enumerate(phones):
        following = phones[index + 1 : index + 2]
        is_before_vowel = bool(following) and following[0] in VOWELS
        if phone == "R" and said and said[-1] in VOWELS and not is_before_vowel:
            if said[-1] in _CENTRING:
                said[-1:] = [_CENTRING[said[-1]], "AH"]
        elif phone == "ER" and _is_ending(phones, index):
            said.append("AH")
        else:
            said.append(phone)
    return tuple(said)


def _is_ending(phones: Phones, index: int) -> bool:
    """Return whether this ER is the -er of "sister", "sisters" or "answered", not of "her"."""
    return phones[index + 1 :] in ((), ("Z",), ("D",)) and any(
        phone in VOWELS for phone in phones[:index]
    )
