"""Measure recordings that the gate must refuse: with wrong texts, or without speech.

    python -m training.mismatches CORPUS FEATURES

FEATURES is the folder filled by `training.measure`; the measures go into its subfolder
`mismatches`, as examples without ratings whose variant is an index into `KINDS`.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.errors import TextMismatch
from training import impostors
from training.channels import random_channel
from training.corpus import RatedWord, Utterance, read_corpus
from training.examples import Example, unrated
from training.measure import Norms, measure, read_norms, write_shards
from training.soundalikes import soundalike

KINDS = (
    "any text", "a text as long", "a text as long, in noise", "noise", "music", "swapped",
    "a text half said", "a text and more", "a similar-sounding text",
)  # fmt: skip
RARER = 2  # sounds without speech: for one utterance in so many
LONGEST_SECONDS = 20  # one piece


def _mismatched(
    utterances: Sequence[Utterance], index: int, chance: np.random.Generator
) -> Iterator[tuple[int, NDArray[np.float32], Utterance]]:
    """Yield kind, waveform, and the utterance whose text goes with it."""
    own = utterances[index]
    waveform = own.waveform()
    others = [u for u in utterances if u.text != own.text]
    by_length = sorted(others, key=lambda other: abs(_length(other) - _length(own)))
    as_long = [by_length[choice] for choice in chance.integers(20, size=2)]
    yield 0, waveform, others[chance.integers(len(others))]
    yield 1, waveform, as_long[0]
    yield 2, random_channel(chance)(waveform, chance), as_long[1]
    if found := soundalike(_phones(own), own.spoken(), chance):
        unrated = [RatedWord(word, np.nan, (), ()) for word in found.words]
        yield 8, waveform, replace(own, words=tuple(unrated))
    if index % RARER == 0:
        yield 3, impostors.noise(waveform, chance), own
        yield 4, impostors.music(waveform, chance), own
        yield 5, impostors.byte_swapped(waveform, chance), own
    else:
        other = as_long[0]
        yield 6, waveform, replace(own, words=own.words + other.words)
        if own.seconds + other.seconds < LONGEST_SECONDS:
            yield 7, np.concatenate([waveform, other.waveform()]), own


def _phones(utterance: Utterance) -> list[str]:
    return [phone for word in utterance.words for phone in word.phones]


def _length(utterance: Utterance) -> int:
    return len(_phones(utterance))


def _examples(norms: Norms, utterances: Sequence[Utterance], index: int) -> Iterator[Example]:
    own = utterances[index]
    for kind, waveform, text in _mismatched(utterances, index, own.chance(7)):
        with suppress(TextMismatch):  # refused before it reaches the gate
            yield unrated(own.name, own.speaker, kind, measure(waveform, text.spoken(), norms))


def main(argv: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("features", type=Path)
    arguments = parser.parse_args(argv)
    examples_of = partial(_examples, read_norms(arguments.features))
    write_shards(arguments.features / "mismatches", read_corpus(arguments.corpus), examples_of)


if __name__ == "__main__":
    main()
