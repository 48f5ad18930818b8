"""Laws of the search, on synthetic likelihoods and against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.triphones import STATES
from speech.alignment import viterbi
from speech.alignment.graph import Costs, build
from speech.alignment.viterbi import best_path, visits

PHONES = ("SIL", "A", "B", "C", "AH", "M")
PLAIN = Costs(silence=-1.0, filler=-np.inf, repeat=(), restart=-np.inf)
GENEROUS = Costs(silence=-1.0, filler=-3.0, repeat=(-4.0, -5.0), restart=-6.0)


def transitions():
    matrix = np.full((STATES, STATES + 1), -np.inf, np.float32)
    for state in range(STATES):
        matrix[state, state] = np.log(0.6)
        matrix[state, state + 1] = np.log(0.4)
    return dict.fromkeys(PHONES, matrix)


def senones(phone, _left, _right, _position):
    first = STATES * PHONES.index(phone)
    return first, first + 1, first + 2


def graph_of(words, costs):
    return build(words, senones, transitions(), costs)


def search(graph, likelihoods):
    return best_path(
        graph, lambda start, stop: likelihoods[start:stop][:, graph.senones], len(likelihoods)
    )


def likelihoods(frames, seed):
    return np.random.default_rng(seed).normal(-5, 3, (frames, STATES * len(PHONES))).astype("f4")


def spoken(sequence, frames_a_state=2):
    """Return likelihoods that fit exactly these phones."""
    values = np.full((len(sequence) * STATES * frames_a_state, STATES * len(PHONES)), -9.0, "f4")
    states = [s for phone in sequence for s in senones(phone, "", "", "")]
    for index, state in enumerate(np.repeat(states, frames_a_state)):
        values[index, state] = 0.0
    return values


def heard(graph, path):
    return [
        (graph.chains[chain].kind, graph.chains[chain].word) for chain, *_ in visits(graph, path)
    ]


def steps(graph):
    """Return the cost of every step from one state to another, shape (S, S)."""
    size = len(graph.senones)
    step = np.full((size, size), -np.inf)
    step[range(size), range(size)] = graph.stay
    inner = np.setdiff1d(np.arange(1, size), graph.firsts)
    step[inner - 1, inner] = graph.advance[inner - 1]
    ways = itertools.product(
        range(len(graph.exits)), range(graph.exits.shape[1]), range(len(graph.repeats))
    )
    for junction, way, back in ways:
        state = graph.exit_states[junction, way]
        cost = graph.exits[junction, way] + graph.repeats[back]
        entered = graph.sources == junction - back
        firsts = graph.firsts[entered]
        step[state, firsts] = np.maximum(step[state, firsts], cost + graph.entries[entered])
    return step


def brute_force(graph, values):
    """Return the best score over all assignments of frames to states, by dynamic programming."""
    emitted, step = values[:, graph.senones].astype(float), steps(graph)
    scores = np.full(len(graph.senones), -np.inf)
    begins = graph.sources == 0
    scores[graph.firsts[begins]] = graph.entries[begins] + emitted[0, graph.firsts[begins]]
    for frame in emitted[1:]:
        scores = (scores[:, None] + step).max(axis=0) + frame
    return (scores[graph.exit_states[-1]] + graph.exits[-1]).max(), step


def score_of(graph, values, path, step):
    emitted = values[:, graph.senones].astype(float)
    entry = graph.entries[np.searchsorted(graph.firsts, path[0])]
    total = entry + emitted[np.arange(len(path)), path].sum()
    total += sum(step[a, b] for a, b in itertools.pairwise(path))
    ends = [c for s, c in zip(graph.exit_states[-1], graph.exits[-1], strict=True) if s == path[-1]]
    return total + max(ends)


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.lists(st.lists(st.sampled_from("ABC"), min_size=1, max_size=2), min_size=1, max_size=2),
        min_size=1,
        max_size=3,
    ),
    costs=st.sampled_from([PLAIN, GENEROUS]),
    seed=st.integers(0, 1000),
)
def test_no_other_path_is_likelier(words, costs, seed):
    graph = graph_of(words, costs)
    values = likelihoods(30, seed)
    path = search(graph, values)
    best, step = brute_force(graph, values)
    assert score_of(graph, values, path, step) == pytest.approx(best, abs=1e-2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), costs=st.sampled_from([PLAIN, GENEROUS]))
def test_a_path_found_in_many_blocks_is_as_likely(seed, costs):
    graph = graph_of([[["A", "B"]], [["C"], ["B"]], [["A"]]], costs)
    values = likelihoods(150, seed)
    best, step = brute_force(graph, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viterbi, "_BLOCK_CELLS", 1)  # blocks of 32 frames
        path = search(graph, values)
    assert score_of(graph, values, path, step) == pytest.approx(best, abs=1e-2)


def test_too_few_frames_have_no_path():
    graph = graph_of([[["A", "B"]]], PLAIN)
    assert search(graph, likelihoods(5, 0)) is None
    assert search(graph, likelihoods(6, 0)) is not None


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("A B", [("word", 0), ("word", 1)]),
        ("SIL A SIL B", [("silence", 0), ("word", 0), ("silence", 1), ("word", 1)]),
        ("A B SIL", [("word", 0), ("word", 1), ("silence", 2)]),
        ("A AH M B", [("word", 0), ("filler", 1), ("word", 1)]),
        ("A A B", [("word", 0), ("word", 0), ("word", 1)]),
        ("A B A B", [("word", 0), ("word", 1), ("word", 0), ("word", 1)]),
        ("A SIL A B", [("word", 0), ("silence", 0), ("word", 0), ("word", 1)]),
    ],
)  # fmt: skip
def test_extras_besides_the_text_are_found(sequence, expected):
    graph = graph_of([[["A"]], [["B"]]], GENEROUS)
    assert heard(graph, search(graph, spoken(sequence.split()))) == expected


def test_a_false_start_is_found():
    graph = graph_of([[["A", "B", "C"]]], GENEROUS)
    path = search(graph, spoken(["A", "B", "A", "B", "C"]))
    assert [last - first for _, first, last in visits(graph, path)] == [12, 18]


def test_the_listed_pronunciation_that_is_said_is_chosen():
    graph = graph_of([[["A", "B"], ["C", "B"]]], PLAIN)
    path = search(graph, spoken(["C", "B"]))
    assert [graph.chains[chain].phones for chain, *_ in visits(graph, path)] == [("C", "B")]
