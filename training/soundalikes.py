"""Find other words that sound like a text: "wreck a nice beach" for "recognize speech".

A beam search reads the text's phones through the dictionary: each phone is kept, replaced by a
similar one or left out, so that words end elsewhere and 15 to 35 % of the phones differ.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from speech.text.phones import ALIKE
from training.dictionary_words import is_read, read_pronunciations

Phones = tuple[str, ...]

LEAST_CHANGED, MOST_CHANGED = 0.15, 0.35  # shares of phones
_BEAM: Final = 100
_PER_WORD: Final = 0.5  # few long words rather than many short ones
_WORDS: Final = ""  # key of the words that end at a node of the tree

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Soundalike:
    """Words, their phones in order, and the share of the text's phones that differ."""

    words: tuple[str, ...]
    phones: tuple[Phones, ...]
    changed: float


@dataclass(frozen=True, slots=True)
class _Path:
    node: Node
    words: tuple[str, ...] = ()
    phones: tuple[Phones, ...] = ()
    word: Phones = ()  # phones of the word in progress
    changes: int = 0


def soundalike(
    phones: Sequence[str], avoided: Collection[str], rng: np.random.Generator
) -> Soundalike | None:
    """Return other words that sound like `phones`; None if none are found.

    Args:
        phones: The text's phones.
        avoided: The text's words, which must not occur.
        rng: The same state gives the same words.
    """
    share = rng.uniform(LEAST_CHANGED, MOST_CHANGED)
    paths = ahead = [_Path(_tree())]
    for place, phone in enumerate(phones):
        ahead = [
            ended
            for path in paths
            for step in _steps(path, phone, rng)
            for ended in _ended(step, avoided, rng)
        ]
        noise = rng.random(len(ahead))
        costs = [
            abs(path.changes - share * (place + 1)) + _PER_WORD * len(path.words) + noise[index]
            for index, path in enumerate(ahead)
        ]
        ahead = [ahead[index] for index in np.argsort(costs)]
        paths = ahead[:_BEAM]
    for path in ahead:
        changed = path.changes / len(phones)
        if path.words and not path.word and LEAST_CHANGED <= changed <= MOST_CHANGED:
            return Soundalike(path.words, path.phones, changed)
    return None


def _steps(path: _Path, phone: str, rng: np.random.Generator) -> Iterator[_Path]:
    """Keep, replace or leave out a phone."""
    alike = [other for kind in ALIKE if phone in kind for other in kind if other != phone]
    replacements = rng.choice(sorted(alike), size=min(2, len(alike)), replace=False).tolist()
    for said in (phone, *replacements):
        if said in path.node:
            yield _Path(
                path.node[said], path.words, path.phones, (*path.word, said),
                path.changes + (said != phone),
            )  # fmt: skip
    yield _Path(path.node, path.words, path.phones, path.word, path.changes + 1)


def _ended(path: _Path, avoided: Collection[str], rng: np.random.Generator) -> Iterator[_Path]:
    """Continue the word in progress, and end it if it is one."""
    yield path
    words = [word for word in path.node.get(_WORDS, ()) if word not in avoided]
    if words and path.word:
        word = words[rng.integers(len(words))]
        yield _Path(_tree(), (*path.words, word), (*path.phones, path.word), changes=path.changes)


@cache
def _tree() -> Node:
    """Return the dictionary as a tree of phones."""
    return _rooted(read_pronunciations())


def _rooted(pronunciations: Mapping[str, Sequence[Phones]]) -> Node:
    root: Node = {}
    for word, variants in pronunciations.items():
        if is_read(word, variants):
            node = root
            for phone in variants[0]:
                node = node.setdefault(phone, {})
            node.setdefault(_WORDS, []).append(word)
    return root
