"""Read what each expert marked on the phones of a word: `annotations.jsonl` beside `labels.jsonl`.

An object per utterance has `utterance` and `words`, each with `phones`: a string per expert, in the
notation of speechocean762. It spells the *expected* phones and marks them: `X` right, `{X}` with an
accent, `(X)` wrong or missing; `[ X ]` is a phone that was inserted. Brackets may span phones.

The notation does not say what was said instead, nor whether a phone in round brackets was replaced
or left out: of the training half's 79,245 strings, 99.4 % spell the reference phones once the
insertions are taken out, and the rest are other spellings of the same reading (`EE R` for ER,
`AX IH` for AY). The phone that was realised is therefore known where it is the expected one, and
unknown elsewhere.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import NetworkInput
from speech.text.phones import PHONES
from training.ratings import match

RIGHT: Final = 0
ACCENTED: Final = 1
WRONG: Final = 2

# The symbols of the notation that are not ARPAbet: r-coloured vowels, a back and a central vowel of
# British English, the reduced vowel, and affricates. As the reference phones have them.
_SPELLED: Final = {
    "AR": ("EH", "R"),
    "AX": ("AH",),
    "AXR": ("ER",),
    "DR": ("D", "R"),
    "DZ": ("D", "Z"),
    "EE": ("ER",),
    "IR": ("IH", "AH"),
    "OO": ("AH",),
    "TR": ("T", "R"),
    "TS": ("T", "S"),
    "UR": ("UH", "AH"),
}
_PIECE: Final = re.compile(r"[A-Z]+|[(){}\[\]]")
_MARKS: Final = {"(": WRONG, "{": ACCENTED, ")": RIGHT, "}": RIGHT}


@dataclass(frozen=True, slots=True)
class RealisedWord:
    """What the experts marked on one word.

    Attributes:
        phones: The reference phones.
        shares: Shape (phones, 3): share of the experts who marked each phone right, accented, or
            wrong or missing; NaN for a phone that none of them spelled.
    """

    phones: tuple[str, ...]
    shares: NDArray[np.float32]


def read_realised(folder: Path) -> dict[str, list[RealisedWord]]:
    """Read the words of every utterance, by its name.

    Raises:
        FileNotFoundError: If the folder lacks `annotations.jsonl` or `labels.jsonl`.
    """
    references = {
        label["utterance"]: [tuple(word["phones"]) for word in label["words"]]
        for label in _lines(folder / "labels.jsonl")
    }
    return {
        one["utterance"]: [
            realised(phones, word["phones"])
            for word, phones in zip(one["words"], references[one["utterance"]], strict=True)
        ]
        for one in _lines(folder / "annotations.jsonl")
    }


def realised(phones: Sequence[str], heard: Sequence[str]) -> RealisedWord:
    """Bring together what the experts heard, a string of the notation each."""
    votes = np.zeros((len(phones), 3), np.float32)
    for expert in heard:
        marked = _marked(expert)
        places = match(phones, [phone for phone, _ in marked])
        for votes_of, place in zip(votes, places, strict=True):
            if place is not None:
                votes_of[marked[place][1]] += 1
    with np.errstate(invalid="ignore"):
        shares = votes / votes.sum(axis=1, keepdims=True)
    return RealisedWord(tuple(phones), shares)


def carried_over_shares(words: Sequence[RealisedWord], given: NetworkInput) -> NDArray[np.float32]:
    """Return the shares of every aligned phone, shape (P, 3); NaN where the experts have none."""
    shares = np.full((len(given.phones), 3), np.nan, np.float32)
    for index, word in enumerate(words):
        places = np.flatnonzero(given.words == index)
        aligned = [PHONES[phone] for phone in given.phones[places]]
        for rated, place in zip(word.shares, match(word.phones, aligned), strict=True):
            if place is not None:
                shares[places[place]] = rated
    return shares


def _marked(heard: str) -> list[tuple[str, int]]:
    """Return the spelled phones with their marks, without those that were inserted.

    A bracket that nothing opened or closed, as a few strings have, changes nothing before it.
    """
    marked: list[tuple[str, int]] = []
    mark, within = RIGHT, False
    for piece in _PIECE.findall(heard):
        if piece in "[]":
            within = piece == "["
        elif piece in _MARKS:
            mark = _MARKS[piece]
        elif not within:
            marked += [(phone, mark) for phone in _SPELLED.get(piece, (piece,))]
    return marked


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
