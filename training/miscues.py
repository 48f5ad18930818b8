"""Measure recordings with known mistakes: the text differs from what was said in one place.

    python -m training.miscues CORPUS FEATURES

The recordings stay as they are and their texts change: a word differs in one sound from the one
that was said well, or the text has a word more or a word less. FEATURES is the folder filled by
`training.measure`; the measures go into its subfolder `miscues`, as examples whose variant is an
index into `KINDS`, each file beside a list of what is wrong.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np

from speech.errors import TextMismatch
from speech.feedback.contrasts import contrast
from speech.feedback.texts import DEFAULT_LANGUAGE, texts_in
from speech.scores.mistakes import NOTHING
from speech.text.lexicon import dictionary_path, pronounce
from speech.text.phones import PHONES
from training.corpus import RatedWord, Utterance, read_corpus
from training.examples import Example, read_examples, unrated, write_examples
from training.measure import Norms, for_each_shard, measure, read_norms

KINDS: Final = ("another sound", "a sound less", "a word less", "a word more")  # as said
FOLDER: Final = "miscues"
_WELL_SAID: Final = 1.8  # of 2; the experts' ratings of every sound of a word that is replaced
_SHARD: Final = 500

Phones = tuple[str, ...]


@dataclass(frozen=True)
class Miscue:
    """A recording measured with a text that differs from it in one place.

    Attributes:
        example: The measures; nothing of it is rated.
        place: The expected phone that was not said, or the expected word that was not said, or for
            a word more the expected word before which it was said.
        realised: The phone said instead of a phone, as an index into `PHONES`, or `NOTHING`.
    """

    example: Example
    place: int
    realised: int = NOTHING


@dataclass(frozen=True)
class Change:
    """A text with one change; `word` and `place` as the text has it after the change.

    Attributes:
        kind: Index into `KINDS`.
        words: All words.
        word: The word that was replaced or added, or that follows the one left out.
        phones: How that word must have been aligned; None for words left out or added.
        place: The phone of it that was not said.
        realised: What was said instead.
    """

    kind: int
    words: tuple[str, ...]
    word: int
    phones: Phones | None = None
    place: int = 0
    realised: int = NOTHING


def changes(own: Utterance, other: Utterance, chance: np.random.Generator) -> Iterator[Change]:
    """Yield one change of each kind that is possible.

    Args:
        own: The utterance whose text is changed.
        other: Another, of which a word is taken.
        chance: The same state gives the same changes.
    """
    words = tuple(own.spoken())
    for kind, neighbours in ((0, _replaced), (1, _longer)):
        if found := list(_another_word(own.words, kind, neighbours)):
            yield found[chance.integers(len(found))]
    place = int(chance.integers(len(words) + 1))
    added = other.spoken()[chance.integers(len(other.words))]
    yield Change(2, (*words[:place], added, *words[place:]), place)
    if len(words) > 2:
        place = int(chance.integers(1, len(words) - 1))
        yield Change(3, (*words[:place], *words[place + 1 :]), place)


def read_miscues(folder: Path) -> Iterator[Miscue]:
    """Read what `main` wrote."""
    wrong = [
        pair
        for path in sorted(folder.glob("*.json"))
        for pair in json.loads(path.read_text(encoding="utf-8"))
    ]
    for example, pair in zip(read_examples(folder), wrong, strict=True):
        yield Miscue(example, *pair)


def _another_word(
    rated: Sequence[RatedWord],
    kind: int,
    neighbours: Callable[[Phones], Iterator[tuple[Phones, int, int]]],
) -> Iterator[Change]:
    """Yield every text with another word in place of one that was said well."""
    words = tuple(word.text.lower() for word in rated)
    for index, word in enumerate(rated):
        if (
            min(word.phone_accuracy) < _WELL_SAID
            or pronounce(words[index]).variants != (word.phones,)  # else the dialect is unknown
        ):
            continue
        for expected, place, realised in neighbours(word.phones):
            for spelled in _dictionary().get(expected, ()):
                changed = (*words[:index], spelled, *words[index + 1 :])
                yield Change(kind, changed, index, expected, place, realised)


def _replaced(said: Phones) -> Iterator[tuple[Phones, int, int]]:
    """Yield expected phones, the place where they differ from those said, and what was said."""
    texts = texts_in(DEFAULT_LANGUAGE)
    for place, phone in enumerate(said):
        for other in PHONES:
            if contrast(texts, other, phone, ends_a_vowel=False):
                yield (*said[:place], other, *said[place + 1 :]), place, PHONES.index(phone)


def _longer(said: Phones) -> Iterator[tuple[Phones, int, int]]:
    for place in range(len(said) + 1):
        for other in PHONES:
            if other not in said[max(place - 1, 0) : place + 1]:
                yield (*said[:place], other, *said[place:]), place, NOTHING


@cache
def _dictionary() -> Mapping[Phones, Sequence[str]]:
    """Return the words of each sequence of phones that have no other."""
    spelled: dict[Phones, list[str]] = defaultdict(list)
    for line in dictionary_path().read_text(encoding="ascii").splitlines():
        word, *phones = line.split()
        if word.isalpha() and pronounce(word).variants == (tuple(phones),):
            spelled[tuple(phones)].append(word)
    return spelled


def _miscues(norms: Norms, own: Utterance, other: Utterance, every: int) -> Iterator[Miscue]:
    """Measure two of the changes of an utterance, of a sound and of a word."""
    for change in changes(own, other, own.chance(11)):
        if (change.kind + every) % 2:
            continue
        with suppress(TextMismatch):  # the text does not fit into the recording
            given = measure(own.waveform(), change.words, norms)
            of_word = np.flatnonzero(given.words == change.word)
            aligned = tuple(PHONES[phone] for phone in given.phones[of_word])
            if change.phones in (None, aligned):
                place = change.word if change.phones is None else int(of_word[change.place])
                example = unrated(own.name, own.speaker, change.kind, given)
                yield Miscue(example, place, change.realised)


def _write_shard(norms: Norms, utterances: Sequence[Utterance], path: Path, indices: range) -> None:
    chance = np.random.default_rng(indices.start)
    found = [
        miscue
        for index in indices
        for miscue in _miscues(
            norms, utterances[index], utterances[int(chance.integers(len(utterances)))], index
        )
    ]
    write_examples(path, [miscue.example for miscue in found])
    wrong = [(miscue.place, miscue.realised) for miscue in found]
    path.with_suffix(".json").write_text(json.dumps(wrong), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("features", type=Path)
    arguments = parser.parse_args(argv)
    utterances = read_corpus(arguments.corpus)
    write = partial(_write_shard, read_norms(arguments.features), utterances)
    for_each_shard(arguments.features / FOLDER, utterances, write, _SHARD)


if __name__ == "__main__":
    main()
