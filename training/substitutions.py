"""Measure recordings against texts that expect other phones than were said.

    python -m training.substitutions CORPUS FEATURES

Experts mark phones as wrong but do not say what they heard instead, and few phones of this corpus
are wrong. Here the truth is known: in the expected pronunciation, some phones that all experts
marked right are replaced by others of their kind, and a few are added that were not said. The sound
is untouched, so nothing but the phone itself betrays the change. FEATURES is the folder filled by
`training.measure`; the measures go into its subfolder `substitutions`, as examples with ratings of
phones only.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.errors import TextMismatch
from speech.scores.network import MARKS
from speech.text.lexicon import Pronunciation
from speech.text.phones import ALIKE, PHONES
from training.annotations import RIGHT, WRONG, RealisedWord, carried_over_shares, read_realised
from training.channels import random_channel
from training.corpus import Utterance, read_corpus
from training.examples import Example, unrated
from training.measure import Norms, measure, read_norms, write_shards
from training.ratings import carried_over

VARIANT: Final = -1  # of these examples
_REPLACED, _ADDED = 0.15, 0.03  # shares of the phones that may change
_THROUGH_CHANNELS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Expectation:
    """What to expect where something else may have been said; one row for each phone.

    Attributes:
        phones: Expected phones, 0 to 38.
        words: Index of the phone's word.
        ratings: Shape (P, 4): experts' score, and the shares of their marks.
    """

    phones: NDArray[np.int64]
    words: NDArray[np.int64]
    ratings: NDArray[np.float32]


def altered(
    phones: NDArray[np.int64],
    words: NDArray[np.int64],
    ratings: NDArray[np.float32],
    chance: np.random.Generator,
) -> Expectation:
    """Replace some phones that were said well, and add others after them.

    Args:
        phones: Phones as said, shape (P,).
        words: Index of each phone's word.
        ratings: Shape (P, 4), as in `Expectation`.
        chance: The same state gives the same changes.
    """
    wrong = np.zeros(1 + MARKS, np.float32)
    wrong[1 + WRONG] = 1
    rows: list[tuple[int, int, NDArray[np.float32]]] = []
    for phone, word, rating in zip(phones.tolist(), words.tolist(), ratings, strict=True):
        draw = chance.random() if rating[1 + RIGHT] == 1 else 0.5
        if draw < _REPLACED:
            rows.append((_another(phone, chance), word, wrong))
            continue
        rows.append((phone, word, rating))
        if draw > 1 - _ADDED:
            rows.append((_another(phone, chance), word, wrong))
    expected, of_word, rated = zip(*rows, strict=True)
    return Expectation(np.array(expected), np.array(of_word), np.stack(rated))


def _another(phone: int, chance: np.random.Generator) -> int:
    """Return another phone of the same kind."""
    alike = sorted(
        set().union(*(kind for kind in ALIKE if PHONES[phone] in kind)) - {PHONES[phone]}
    )
    return PHONES.index(alike[chance.integers(len(alike))])


def _examples(
    norms: Norms,
    marks: dict[str, list[RealisedWord]],
    utterances: Sequence[Utterance],
    index: int,
) -> Iterator[Example]:
    utterance = utterances[index]
    chance = utterance.chance(11)
    waveform = utterance.waveform()
    as_said = measure(waveform, utterance.spoken(), norms)
    ratings = np.column_stack(
        [
            carried_over(utterance.words, as_said),
            carried_over_shares(marks[utterance.name], as_said),
        ]
    )
    expectation = altered(as_said.phones, as_said.words, ratings, chance)
    pronunciations = [
        Pronunciation(
            (tuple(PHONES[p] for p in expectation.phones[expectation.words == word]),), True
        )
        for word in range(len(utterance.words))
    ]
    if chance.random() < _THROUGH_CHANNELS:
        waveform = random_channel(chance)(waveform, chance)
    with suppress(TextMismatch):  # too many phones for its length
        given = measure(waveform, utterance.spoken(), norms, pronunciations)
        yield replace(
            unrated(utterance.name, utterance.speaker, VARIANT, given),
            phone_accuracy=expectation.ratings[:, 0],
            marks=expectation.ratings[:, 1:],
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("features", type=Path)
    arguments = parser.parse_args(argv)
    examples_of = partial(
        _examples, read_norms(arguments.features), read_realised(arguments.corpus)
    )
    write_shards(arguments.features / "substitutions", read_corpus(arguments.corpus), examples_of)


if __name__ == "__main__":
    main()
