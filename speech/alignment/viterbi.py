"""Find the exact likeliest path through a graph of states in bounded memory (Viterbi 1967).

The search runs block by block and keeps only the scores at the beginning of each block; the
traceback searches every block but the last again, this time recording its decisions
(checkpointing). No path is ever pruned, however long the recording.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.alignment.graph import Graph

# Decisions and likelihoods held at a time; a short recording is one block.
_BLOCK_CELLS: Final = 8_000_000

# Log likelihoods in nats of frames [start, stop) in each state, shape (stop - start, S).
Likelihoods = Callable[[int, int], NDArray[np.float32]]


def best_path(graph: Graph, likelihoods: Likelihoods, frames: int) -> NDArray[np.int64] | None:
    """Find the likeliest state of every frame.

    Args:
        graph: S states.
        likelihoods: Called with half-open ranges of frames, with some of them twice.
        frames: T > 0.

    Returns:
        Shape (T,), or None if the frames are too few for any path.
    """
    size = max(_BLOCK_CELLS // len(graph.senones), 32)
    starts = range(0, frames, size)
    checkpoints = [np.full(len(graph.senones), -np.inf, np.float32)]
    for start in starts:
        search = _Search(graph, checkpoints[-1], is_start=start == 0)
        block = likelihoods(start, min(start + size, frames))
        search.run(block, keeps=start == starts[-1])
        # Relative to the best, to keep float32 precision over minutes.
        checkpoints.append(search.scores - search.scores.max())
    state = search.final_state()
    if state is None:
        return None
    path = np.empty(frames, np.int64)
    for number in reversed(range(len(starts))):
        start, stop = starts[number], min(starts[number] + size, frames)
        if number < len(starts) - 1:
            search = _Search(graph, checkpoints[number], is_start=number == 0)
            search.run(likelihoods(start, stop), keeps=True)
        state = search.trace(state, path[start:stop])
    return path


class _Search:
    """Forward pass over a block, and traceback."""

    def __init__(self, graph: Graph, scores: NDArray[np.float32], *, is_start: bool) -> None:
        self._graph = graph
        self.scores = scores.copy()
        self._is_start = is_start
        self._moved: list[NDArray[np.bool_]] = []
        self._ways: list[NDArray[np.intp]] = []
        self._repeats: list[NDArray[np.intp]] = []

    def run(self, likelihoods: NDArray[np.float32], *, keeps: bool) -> None:
        """Advance frame by frame; `keeps` records decisions for `trace`."""
        graph, scores = self._graph, self.scores
        junctions = len(graph.exits)
        # Junctions beyond the last are padding: a repeat cannot come from there.
        reached = np.full(junctions + len(graph.repeats) - 1, -np.inf, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(reached, len(graph.repeats))
        moving = np.full_like(scores, -np.inf)
        for frame in likelihoods:
            if self._is_start:
                reached[0], self._is_start = 0.0, False
                ways = np.zeros(junctions, np.intp)
            else:
                into = scores[graph.exit_states]
                into += graph.exits
                ways = into.argmax(axis=1)
                into.max(axis=1, out=reached[:junctions])
            junction_scores = windows + graph.repeats
            repeats = junction_scores.argmax(axis=1)
            entering = junction_scores.max(axis=1)[graph.sources]
            entering += graph.entries
            np.add(scores[:-1], graph.advance[:-1], out=moving[1:])
            moving[graph.firsts] = entering
            scores += graph.stay
            if keeps:
                self._moved.append(moving > scores)
                self._ways.append(ways)
                self._repeats.append(repeats)
            np.maximum(scores, moving, out=scores)
            scores += frame

    def final_state(self) -> int | None:
        """Return the state in which the likeliest complete path ends; None without one."""
        into = self.scores[self._graph.exit_states[-1]] + self._graph.exits[-1]
        best = int(into.argmax())
        return int(self._graph.exit_states[-1, best]) if np.isfinite(into[best]) else None

    def trace(self, state: int, path: NDArray[np.int64]) -> int:
        """Write the states of this block into `path`; return the state before it."""
        graph = self._graph
        source_of = dict(zip(graph.firsts.tolist(), graph.sources.tolist(), strict=True))
        for frame in reversed(range(len(path))):
            path[frame] = state
            if not self._moved[frame][state]:
                continue
            source = source_of.get(state)
            if source is None:
                state -= 1
                continue
            junction = source + int(self._repeats[frame][source])
            state = int(graph.exit_states[junction, self._ways[frame][junction]])
        return state


def visits(graph: Graph, path: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Split a path into visits of chains.

    Returns:
        Chain index, first frame and one past the last, in order of time; a chain may occur
        several times, also twice in a row.
    """
    chains = np.searchsorted(graph.firsts, path, side="right") - 1
    # States never go back within a chain, so a step back starts it again.
    begins = np.flatnonzero((np.diff(chains) != 0) | (np.diff(path) < 0)) + 1
    edges = [0, *begins.tolist(), len(path)]
    return [(int(chains[first]), first, last) for first, last in pairwise(edges)]
