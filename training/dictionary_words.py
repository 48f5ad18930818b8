"""Split the words of cmudict into training and held-out sets for letter-to-sound."""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from speech.text.letter_to_sound import spell
from speech.text.lexicon import dictionary_path

Phones = tuple[str, ...]

PLACES = 2  # phones that one letter can have: x, u
HELD_OUT = 0.05
HELD_OUT_SINGLY = 3000

_ENDINGS = (
    "s", "es", "ed", "d", "ing", "er", "ers", "r", "ly", "ness", "est", "y", "able", "ful", "less",
    "ment", "ism", "ist", "ists", "ation", "al", "ally", "in",
)  # fmt: skip


@dataclass(frozen=True)
class Words:
    """Words to train on, and two held-out sets.

    Attributes:
        pronunciations: All words with all variants.
        learnt: Words to train on.
        unseen: Held out with everything derived from the same stem.
        unseen_singly: Held out alone: their stems and parts may be in training.
    """

    pronunciations: dict[str, list[Phones]]
    learnt: list[str]
    unseen: list[str]
    unseen_singly: list[str]


def read_words() -> Words:
    """Split cmudict, without words that are spelled letter by letter."""
    pronunciations = read_pronunciations()
    words = [word for word, variants in pronunciations.items() if is_read(word, variants)]
    families = list(_families(words))
    shuffled = random.Random(0)  # noqa: S311 - a sample, not a secret
    shuffled.shuffle(families)
    unseen: list[str] = []
    while len(unseen) < HELD_OUT * len(words):
        unseen += families.pop()
    rest = [word for family in families for word in family]
    shuffled.shuffle(rest)
    return Words(
        pronunciations, rest[HELD_OUT_SINGLY:], sorted(unseen), sorted(rest[:HELD_OUT_SINGLY])
    )


def read_pronunciations() -> dict[str, list[Phones]]:
    """Return all pronunciations of all words of cmudict."""
    pronunciations: dict[str, list[Phones]] = defaultdict(list)
    for line in dictionary_path().read_text(encoding="utf-8").splitlines():
        entry, *phones = line.split()
        pronunciations[entry.partition("(")[0]].append(tuple(phones))
    return pronunciations


def is_read(word: str, variants: Sequence[Phones]) -> bool:
    """Whether a word is read as a word, not spelled letter by letter."""
    return (
        re.fullmatch("[a-z]{2,}", word) is not None
        and re.search("[aeiouy]", word) is not None
        and spell(word) not in variants
        and all(len(phones) <= PLACES * len(word) for phones in variants)
    )


def _families(words: Iterable[str]) -> Iterator[list[str]]:
    """Yield groups of words that share a stem; when in doubt, groups are too large."""
    parents = {word: word for word in words}

    def root(word: str) -> str:
        while parents[word] != word:
            parents[word] = parents[parents[word]]
            word = parents[word]
        return word

    for word in parents:
        for stem in _stems(word):
            if stem in parents:
                parents[root(word)] = root(stem)
    families = defaultdict(list)
    for word in parents:
        families[root(word)].append(word)
    return iter(families.values())


def _stems(word: str) -> Iterator[str]:
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            yield from (stem, stem + "e", stem + "y", stem[:-1] + "y")
            if stem[-1] == stem[-2]:
                yield stem[:-1]
