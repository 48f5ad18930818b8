"""Build one graph of hidden Markov states for every way of saying a known text.

There is a junction between any two words. From each junction a chain of states leads through every
listed pronunciation of the next word to the following junction; pauses and fillers ("um")
lead back to their own junction, and a repeated word, or one broken off and begun again, back to
an earlier one. So "I... I, um, want to" is a path through "I want to".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.triphones import STATES

Kind = Literal["word", "silence", "filler"]
# Maps phone, left and right neighbour and position in the word to the senones of its three states.
Senones = Callable[[str, str, str, str], tuple[int, int, int]]

SILENCE: Final = "SIL"


@dataclass(frozen=True, slots=True)
class Costs:
    """Log probabilities of departures from the plain text; -inf forbids one.

    Attributes:
        silence: A silence at a junction.
        filler: "uh" or "um".
        repeat: Going back one, two ... words; an empty tuple forbids it.
        restart: Breaking a word off and beginning it again.
    """

    silence: float
    filler: float
    repeat: tuple[float, ...]
    restart: float


@dataclass(frozen=True, slots=True)
class Chain:
    """Phones that follow each other without a branch.

    Attributes:
        kind: Word, silence or filler.
        word: Index of the word; for silence and fillers, of the next word.
        phones: In order.
        first: Its first state; it has `STATES` for each phone.
    """

    kind: Kind
    word: int
    phones: tuple[str, ...]
    first: int


@dataclass(frozen=True, slots=True)
class Graph:
    """States of all chains, one after the other, and how junctions join them.

    S states, C chains, J junctions (one more than words), at most K ways into a junction and R
    words of repetition. Costs are natural logarithms.

    Attributes:
        chains: In order of their states.
        senones: Shape (S,).
        stay: Shape (S,), cost of remaining in a state.
        advance: Shape (S,), cost of moving to the next one.
        firsts: Shape (C,), first state of each chain.
        sources: Shape (C,), junction at which each chain begins.
        entries: Shape (C,), cost of entering each chain.
        exit_states: Shape (J, K), states from which a junction is reached.
        exits: Shape (J, K), cost of doing so; -inf where there are fewer than K.
        repeats: Shape (R + 1,), cost of going back so many junctions; 0 for none.
    """

    chains: tuple[Chain, ...]
    senones: NDArray[np.int64]
    stay: NDArray[np.float32]
    advance: NDArray[np.float32]
    firsts: NDArray[np.int64]
    sources: NDArray[np.int64]
    entries: NDArray[np.float32]
    exit_states: NDArray[np.int64]
    exits: NDArray[np.float32]
    repeats: NDArray[np.float32]


_FILLERS: Final = (("AH",), ("AH", "M"), ("M",))


def build(
    words: Sequence[Sequence[Sequence[str]]],
    senones: Senones,
    transitions: dict[str, NDArray[np.float32]],
    costs: Costs,
) -> Graph:
    """Build the graph of a text.

    Args:
        words: The pronunciations of each word, the usual one first, in ARPAbet phones.
        senones: Looks up the senones of a phone in its context. Neighbouring words are assumed
            to have their usual pronunciation, without silence between words.
        transitions: By phone, shape (3, 4): from each state to each, and out.
        costs: Costs of pauses, fillers and repeats.
    """
    chains: list[Chain] = []
    state_senones: list[int] = []
    for kind, word, phones, contexts in _contents(words, costs):
        chains.append(Chain(kind, word, phones, len(state_senones)))
        for phone, context in zip(phones, contexts, strict=True):
            state_senones += senones(phone, *context)
    all_phones = [phone for chain in chains for phone in chain.phones]
    within = np.arange(len(all_phones) * STATES) % STATES
    matrices = np.stack([transitions[phone] for phone in all_phones]).repeat(STATES, axis=0)
    rows = np.arange(len(within))
    advance = matrices[rows, within, within + 1]
    exit_states, exits = _exits(chains, len(words) + 1, advance, costs)
    return Graph(
        chains=tuple(chains),
        senones=np.array(state_senones),
        stay=matrices[rows, within, within],
        advance=advance,
        firsts=np.array([chain.first for chain in chains]),
        sources=np.array([chain.word for chain in chains]),
        entries=np.array([_entry(chain.kind, costs) for chain in chains], np.float32),
        exit_states=exit_states,
        exits=exits,
        repeats=np.array([0.0, *costs.repeat], np.float32),
    )


Context = tuple[str, str, str]  # left and right neighbour, position


def _contents(
    words: Sequence[Sequence[Sequence[str]]], costs: Costs
) -> Iterator[tuple[Kind, int, tuple[str, ...], list[Context]]]:
    for index in range(len(words) + 1):
        yield from _pauses(index, costs)
        if index == len(words):
            return
        left = words[index - 1][0][-1] if index else SILENCE
        right = words[index + 1][0][0] if index + 1 < len(words) else SILENCE
        for variant in words[index]:
            yield "word", index, tuple(variant), _contexts(variant, left, right)


def _pauses(
    junction: int, costs: Costs
) -> Iterator[tuple[Kind, int, tuple[str, ...], list[Context]]]:
    alone = (SILENCE, SILENCE, "s")
    yield "silence", junction, (SILENCE,), [alone]
    if np.isfinite(costs.filler):
        for filler in _FILLERS:
            yield "filler", junction, filler, _contexts(filler, SILENCE, SILENCE)


def _contexts(phones: Sequence[str], left: str, right: str) -> list[Context]:
    padded = [left, *phones, right]
    last = len(phones) - 1
    return [
        (padded[index], padded[index + 2], _position(index, last)) for index in range(len(phones))
    ]


def _position(index: int, last: int) -> str:
    if last == 0:
        return "s"
    return "b" if index == 0 else "e" if index == last else "i"


def _entry(kind: Kind, costs: Costs) -> float:
    return {
        "word": 0.0,
        "silence": costs.silence,
        "filler": costs.filler,
    }[kind]


def _exits(
    chains: Sequence[Chain], junctions: int, advance: NDArray[np.float32], costs: Costs
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return all (state, cost) that lead into each junction, padded to the same number."""
    ways = sorted(_ways(chains, costs))
    groups = [list(group) for _, group in groupby(ways, key=lambda way: way[0])]
    most = max(map(len, groups))
    states = np.zeros((junctions, most), np.int64)
    values = np.full((junctions, most), -np.inf, np.float32)
    for group in groups:
        junction = group[0][0]
        states[junction, : len(group)] = [state for _, state, _ in group]
        values[junction, : len(group)] = [cost for _, _, cost in group]
    return states, values + advance[states]


def _ways(chains: Sequence[Chain], costs: Costs) -> Iterator[tuple[int, int, float]]:
    for chain in chains:
        ends = [chain.first + STATES * (n + 1) - 1 for n in range(len(chain.phones))]
        if chain.kind != "word":
            yield chain.word, ends[-1], 0.0
            continue
        yield chain.word + 1, ends[-1], 0.0
        if np.isfinite(costs.restart):
            for end in ends[:-1]:
                yield chain.word, end, costs.restart
