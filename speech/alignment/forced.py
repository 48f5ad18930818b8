"""Forced alignment for English: when each word and phone of a known text is said.

The recording is searched for the likeliest way of saying the text: any listed pronunciation,
with silence and fillers between words, and with repeated or broken-off words. Long
recordings are first cut between words, by a coarse search, so that memory stays bounded.
"""

from collections.abc import Iterator, Sequence
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

# What is said besides the text must earn its place: natural logarithms of prior probabilities,
# set so that hardly any is found in fluent reading; docs/adr/0025.
_COSTS: Final = Costs(silence=-5.0, filler=-120.0, repeat=(-130.0, -140.0, -150.0), restart=-160.0)
_COARSE_COSTS: Final = Costs(silence=-5.0, filler=-np.inf, repeat=(), restart=-np.inf)

# Longer recordings are cut, where the silence between two words is longest, near this length.
_PIECE_FRAMES: Final = 1_500
# Nothing cuts what lies between two words; in a piece so long there is little but that.
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
    """One phone (ARPAbet), and where its second and third state begin."""

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
    """What is heard besides the words.

    A `repeat` is a word, whole or broken off, that is said again afterwards.
    """

    kind: Literal["silence", "filler", "repeat"]


@dataclass(frozen=True, slots=True)
class Alignment:
    """All words in order, none missing, and what lies between them."""

    words: tuple[AlignedWord, ...]
    extras: tuple[Extra, ...]
    frames: int  # where the stretch ends

    def later(self, frames: int) -> Self:
        """Count from so many frames before."""
        return type(self)(
            tuple(_later_word(word, frames) for word in self.words),
            tuple(
                Extra(extra.start_frame + frames, extra.end_frame + frames, extra.kind)
                for extra in self.extras
            ),
            self.frames + frames,
        )


@dataclass(frozen=True, slots=True)
class AlignedPiece:
    """A stretch of the recording with whole words.

    Attributes:
        alignment: Of these words; frames count from the beginning of the piece.
        context_independent: Shape (frames, 126), nats: of the states of all phones, in the order
            of the model's, whatever their context.
        path_likelihoods: Shape (frames,), nats, each in the state that it was aligned to.
        start_frame: Of the piece in the recording.
    """

    alignment: Alignment
    context_independent: NDArray[np.float32]
    path_likelihoods: NDArray[np.float32]
    start_frame: int

    def in_recording(self) -> Alignment:
        """The alignment, counted from the beginning of the recording."""
        return self.alignment.later(self.start_frame)


def align(waveform: NDArray[np.float32], words: Sequence[str]) -> Alignment:
    """Find words and phones in a recording.

    Args:
        waveform: Shape (n,), mono at 16 kHz, not silent.
        words: Spoken words, lower case, in order, at least one.

    Returns:
        One `AlignedWord` for each of `words`; times ascend and lie inside the recording.

    Raises:
        TextMismatch: If the words do not fit into the recording.
    """
    said = [pronounce(word) for word in words]
    frames = features(cepstra(waveform))
    return joined([piece.in_recording() for piece in aligned_pieces(frames, words, said)])


def aligned_pieces(
    frames: NDArray[np.float32], words: Sequence[str], said: Sequence[Pronunciation]
) -> Iterator[AlignedPiece]:
    """Align piece by piece; otherwise like `align`.

    Args:
        frames: Shape (T, 39), features of the whole recording.
        words: As for `align`.
        said: How each may be said.
    """
    _require_room(len(frames), said)
    for start, end, first, last in _cut(frames, said):
        if end - start > _MAX_PIECE_FRAMES:
            seconds = (end - start) * FRAME_SECONDS
            raise TextMismatch(reason=f"{seconds:.0f} s of it belong to hardly any word")
        found = _align_piece(frames[start:end], words[first:last], said[first:last])
        yield AlignedPiece(*found, start)


def joined(alignments: Sequence[Alignment]) -> Alignment:
    """Put alignments together that count from the beginning of the recording, in order."""
    return Alignment(
        tuple(word for alignment in alignments for word in alignment.words),
        tuple(extra for alignment in alignments for extra in alignment.extras),
        alignments[-1].frames,
    )


def _later_word(word: AlignedWord, frames: int) -> AlignedWord:
    phones = tuple(
        AlignedPhone(
            phone.start_frame + frames,
            phone.end_frame + frames,
            phone.phone,
            (phone.states[0] + frames, phone.states[1] + frames),
        )
        for phone in word.phones
    )
    return AlignedWord(word.word, phones, word.is_listed)


def _require_room(frames: int, said: Sequence[Pronunciation]) -> None:
    """Refuse texts that no speed of speaking fits in, before they are searched for."""
    phones = sum(min(map(len, word.variants)) for word in said)
    if phones * STATES > frames:
        raise TextMismatch(reason="the text is longer than anybody can say in that time")


def _cut(
    frames: NDArray[np.float32], said: Sequence[Pronunciation]
) -> list[tuple[int, int, int, int]]:
    """First frame, end, first word and end of each piece; a short recording is one."""
    total = len(frames)
    if total <= 1.5 * _PIECE_FRAMES:
        return [(0, total, 0, len(said))]
    spans = _coarse_words(frames, said)
    pieces, begin, first = [], 0, 0
    for index, (word, following) in enumerate(pairwise(spans), start=1):
        middle = (word.end_frame + following.start_frame) // 2
        # The longer the piece has become, the shorter a silence suffices to cut at.
        silence = following.start_frame - word.end_frame
        if middle - begin + 10 * silence >= _PIECE_FRAMES:
            pieces.append((begin, middle, first, index))
            begin, first = middle, index
    return [*pieces, (begin, total, first, len(said))]


def _coarse_words(frames: NDArray[np.float32], said: Sequence[Pronunciation]) -> list[Span]:
    """Where each word lies, judged by phones without their context."""
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
        [word.variants for word in said],
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
    """Search; `columns` are the likelihoods' columns of each state."""
    path = best_path(graph, lambda start, stop: likelihoods[start:stop, columns], len(likelihoods))
    if path is None:
        raise TextMismatch(reason="its words cannot be found in the recording")
    return path


def _align_piece(
    frames: NDArray[np.float32], words: Sequence[str], said: Sequence[Pronunciation]
) -> tuple[Alignment, NDArray[np.float32], NDArray[np.float32]]:
    """Align whole words; also what `AlignedPiece` says of likelihoods."""
    model = acoustic_model()
    graph = graphs.build([word.variants for word in said], model.senones, _transitions(), _COSTS)
    senones, columns = np.unique(graph.senones, return_inverse=True)
    every = model.context_independent
    scores = log_likelihoods(model, frames, np.concatenate([every, senones]))
    context_independent, likelihoods = scores[:, : len(every)], scores[:, len(every) :]
    path = _path(graph, likelihoods, columns)
    found = [(graph.chains[chain], first, last) for chain, first, last in visits(graph, path)]
    # A word that is visited again later was a first try.
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
            aligned.append(AlignedWord(words[chain.word], phones, said[chain.word].is_listed))
    alignment = Alignment(tuple(aligned), tuple(extras), len(path))
    return alignment, context_independent, likelihoods[np.arange(len(path)), columns[path]]


def _phones(names: Sequence[str], states: NDArray[np.int64], start: int) -> Iterator[AlignedPhone]:
    """Phones of one word; `states`, shape (frames,), begin at 0 and skip none."""
    edges = (start + np.searchsorted(states, np.arange(STATES * len(names) + 1))).tolist()
    for index, name in enumerate(names):
        begin, second, third, end = edges[STATES * index : STATES * index + STATES + 1]
        yield AlignedPhone(begin, end, name, (second, third))
