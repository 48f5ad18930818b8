"""Forced alignment for English: locate each word and phone of a known text in a recording.

Finds the likeliest way of saying the text: any listed pronunciation, with silence and fillers
between words, and with repeated or broken-off words. Long recordings are first cut between words,
by a coarse search, so that memory stays bounded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.front_end import FRAME_SECONDS, cepstra, features
from speech.acoustics.model_files import acoustic_model
from speech.acoustics.senones import log_likelihoods
from speech.acoustics.triphones import STATES
from speech.alignment import graph as graphs
from speech.alignment.graph import Costs, Graph
from speech.alignment.viterbi import best_path, visits
from speech.errors import TextMismatch
from speech.text.lexicon import Pronunciation, pronounce

# Natural logarithms of the prior probabilities of sounds that are not in the text, set so low that
# hardly any are found in fluent reading; docs/adr/0025.
_COSTS: Final = Costs(silence=-5.0, filler=-120.0, repeat=(-130.0, -140.0, -150.0), restart=-160.0)
_COARSE_COSTS: Final = Costs(silence=-5.0, filler=-np.inf, repeat=(), restart=-np.inf)

# Longer recordings are cut near this length, preferably in a long silence between two words.
_PIECE_FRAMES: Final = 1_500
# Cuts lie between words, so a longer piece contains hardly any.
_MAX_PIECE_FRAMES: Final = 3_000
_COARSE_BLOCK_FRAMES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """Frames `[start_frame, end_frame)` of the recording, 10 ms each."""

    start_frame: int
    end_frame: int

    @property
    def start(self) -> float:
        """Seconds from the beginning of the recording."""
        return self.start_frame * FRAME_SECONDS

    @property
    def end(self) -> float:
        """Seconds from the beginning of the recording."""
        return self.end_frame * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class AlignedPhone(Span):
    """One phone (ARPAbet), and the frames where its second and third state begin."""

    phone: str
    states: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """One spoken word; `is_listed` is False if its pronunciation is an approximation."""

    word: str
    phones: tuple[AlignedPhone, ...]
    is_listed: bool

    @property
    def start(self) -> float:
        """Seconds from the beginning of the recording."""
        return self.phones[0].start

    @property
    def end(self) -> float:
        """Seconds from the beginning of the recording."""
        return self.phones[-1].end


@dataclass(frozen=True, slots=True)
class Extra(Span):
    """A sound or silence outside the words.

    A `repeat` is a word, whole or broken off, that is repeated afterwards.
    """

    kind: Literal["silence", "filler", "repeat"]


@dataclass(frozen=True, slots=True)
class Alignment:
    """All words in order, none missing, and everything between them."""

    words: tuple[AlignedWord, ...]
    extras: tuple[Extra, ...]
    frames: int  # one past the last frame

    def within(self, frames: int) -> Self:
        """Return the same alignment, with what lies outside frames 0 to `frames` cut off."""

        def inside(frame: int) -> int:
            return min(max(frame, 0), frames)

        return type(self)(
            tuple(_moved(word, inside) for word in self.words),
            tuple(
                Extra(inside(extra.start_frame), inside(extra.end_frame), extra.kind)
                for extra in self.extras
                if inside(extra.start_frame) < inside(extra.end_frame)
            ),
            frames,
        )

    def later(self, frames: int) -> Self:
        """Return the same alignment, shifted by so many frames."""
        return type(self)(
            tuple(_moved(word, lambda frame: frame + frames) for word in self.words),
            tuple(
                Extra(extra.start_frame + frames, extra.end_frame + frames, extra.kind)
                for extra in self.extras
            ),
            self.frames + frames,
        )


@dataclass(frozen=True, slots=True)
class AlignedPiece:
    """A part of the recording that contains whole words.

    Attributes:
        alignment: Alignment of these words; frames count from the beginning of the piece.
        context_independent: Log likelihoods of the context-independent states of all phones, in
            the model's order, shape (frames, 126), nats.
        path_likelihoods: Log likelihood of each frame in the state it was aligned to, shape
            (frames,), nats.
        start_frame: Where the piece begins in the recording.
    """

    alignment: Alignment
    context_independent: NDArray[np.float32]
    path_likelihoods: NDArray[np.float32]
    start_frame: int

    def in_recording(self) -> Alignment:
        """Return the alignment with frames counted from the beginning of the recording."""
        return self.alignment.later(self.start_frame)


def align(waveform: NDArray[np.float32], words: Sequence[str]) -> Alignment:
    """Locate words and phones in a recording.

    Args:
        waveform: Shape (n,), mono at 16 kHz, not silent.
        words: Spoken words, lower case, in order, at least one.

    Returns:
        One `AlignedWord` for each of `words`; times ascend and lie inside the recording.

    Raises:
        TextMismatch: If the words do not fit into the recording.
    """
    pronunciations = [pronounce(word) for word in words]
    frames = features(cepstra(waveform))
    return joined([piece.in_recording() for piece in aligned_pieces(frames, words, pronunciations)])


def aligned_pieces(
    frames: NDArray[np.float32], words: Sequence[str], pronunciations: Sequence[Pronunciation]
) -> Iterator[AlignedPiece]:
    """Align piece by piece; otherwise like `align`.

    Args:
        frames: Shape (T, 39), features of the whole recording.
        words: As for `align`.
        pronunciations: Pronunciations of each word.
    """
    _require_room(len(frames), pronunciations)
    for start, end, first, last in _cut(frames, pronunciations):
        if end - start > _MAX_PIECE_FRAMES:
            seconds = (end - start) * FRAME_SECONDS
            raise TextMismatch(reason=f"{seconds:.0f} s of it contain hardly any of the words")
        found = _align_piece(frames[start:end], words[first:last], pronunciations[first:last])
        yield AlignedPiece(*found, start)


def joined(alignments: Sequence[Alignment]) -> Alignment:
    """Join alignments in order; their frames count from the beginning of the recording."""
    return Alignment(
        tuple(word for alignment in alignments for word in alignment.words),
        tuple(extra for alignment in alignments for extra in alignment.extras),
        alignments[-1].frames,
    )


def _moved(word: AlignedWord, move: Callable[[int], int]) -> AlignedWord:
    phones = tuple(
        AlignedPhone(
            move(phone.start_frame),
            move(phone.end_frame),
            phone.phone,
            (move(phone.states[0]), move(phone.states[1])),
        )
        for phone in word.phones
    )
    return AlignedWord(word.word, phones, word.is_listed)


def _require_room(frames: int, pronunciations: Sequence[Pronunciation]) -> None:
    """Reject texts that are too long for the recording at any speed of speaking."""
    phones = sum(min(map(len, word.variants)) for word in pronunciations)
    if phones * STATES > frames:
        raise TextMismatch(reason="the text is longer than can be said in that time")


def _cut(
    frames: NDArray[np.float32], pronunciations: Sequence[Pronunciation]
) -> list[tuple[int, int, int, int]]:
    """Return first frame, end, first word and end of each piece; a short recording is one."""
    total = len(frames)
    if total <= 1.5 * _PIECE_FRAMES:
        return [(0, total, 0, len(pronunciations))]
    spans = _coarse_words(frames, pronunciations)
    pieces, begin, first = [], 0, 0
    for index, (word, following) in enumerate(pairwise(spans), start=1):
        middle = (word.end_frame + following.start_frame) // 2
        # The longer the piece already is, the shorter a silence is enough to cut it.
        silence = following.start_frame - word.end_frame
        if middle - begin + 10 * silence >= _PIECE_FRAMES:
            pieces.append((begin, middle, first, index))
            begin, first = middle, index
    return [*pieces, (begin, total, first, len(pronunciations))]


def _coarse_words(
    frames: NDArray[np.float32], pronunciations: Sequence[Pronunciation]
) -> list[Span]:
    """Locate each word by context-independent phones."""
    model = acoustic_model()
    likelihoods = np.concatenate(
        [
            log_likelihoods(
                model, frames[start : start + _COARSE_BLOCK_FRAMES], model.context_independent
            )
            for start in range(0, len(frames), _COARSE_BLOCK_FRAMES)
        ]
    )
    columns = {phone: STATES * index for index, phone in enumerate(model.phones)}
    graph = graphs.build(
        [word.variants for word in pronunciations],
        lambda phone, *_: (columns[phone], columns[phone] + 1, columns[phone] + 2),
        _transitions(),
        _COARSE_COSTS,
    )
    path = _path(graph, likelihoods, graph.senones)
    return [
        Span(first, last)
        for chain, first, last in visits(graph, path)
        if graph.chains[chain].kind == "word"
    ]


@cache
def _transitions() -> dict[str, NDArray[np.float32]]:
    model = acoustic_model()
    return dict(zip(model.phones, model.transitions, strict=True))


def _path(
    graph: Graph, likelihoods: NDArray[np.float32], columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find the best path; `columns` are the likelihoods' columns of each state."""
    path = best_path(graph, lambda start, stop: likelihoods[start:stop, columns], len(likelihoods))
    if path is None:
        raise TextMismatch(reason="its words cannot be found in the recording")
    return path


def _align_piece(
    frames: NDArray[np.float32], words: Sequence[str], pronunciations: Sequence[Pronunciation]
) -> tuple[Alignment, NDArray[np.float32], NDArray[np.float32]]:
    """Align whole words; also return the two likelihoods of `AlignedPiece`."""
    model = acoustic_model()
    graph = graphs.build(
        [word.variants for word in pronunciations], model.senones, _transitions(), _COSTS
    )
    senones, columns = np.unique(graph.senones, return_inverse=True)
    every = model.context_independent
    scores = log_likelihoods(model, frames, np.concatenate([every, senones]))
    context_independent, likelihoods = scores[:, : len(every)], scores[:, len(every) :]
    path = _path(graph, likelihoods, columns)
    found = [(graph.chains[chain], first, last) for chain, first, last in visits(graph, path)]
    # A word that is visited again later was a false start.
    final = {chain.word: first for chain, first, _ in found if chain.kind == "word"}
    aligned: list[AlignedWord] = []
    extras: list[Extra] = []
    for chain, first, last in found:
        if chain.kind != "word":
            extras.append(Extra(first, last, chain.kind))
        elif final[chain.word] != first:
            extras.append(Extra(first, last, "repeat"))
        else:
            states = path[first:last] - chain.first
            phones = tuple(_phones(chain.phones, states, first))
            aligned.append(
                AlignedWord(words[chain.word], phones, pronunciations[chain.word].is_listed)
            )
    alignment = Alignment(tuple(aligned), tuple(extras), len(path))
    return alignment, context_independent, likelihoods[np.arange(len(path)), columns[path]]


def _phones(names: Sequence[str], states: NDArray[np.int64], start: int) -> Iterator[AlignedPhone]:
    """Yield the phones of one word; `states`, shape (frames,), begin at 0 and skip none."""
    edges = (start + np.searchsorted(states, np.arange(STATES * len(names) + 1))).tolist()
    for index, name in enumerate(names):
        begin, second, third, end = edges[STATES * index : STATES * index + STATES + 1]
        yield AlignedPhone(begin, end, name, (second, third))
