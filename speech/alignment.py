"""Forced alignment for English: when each word and phone of a known text is said.

Two passes of pocketsphinx over its phonetically-tied acoustic model (BSD): one finds the words,
with optional silence between them and any listed pronunciation; one the phones inside them.
Scores are log likelihoods in nats, relative to the best state that competes in the same frame,
so 0 is the best and a plain mean over frames resembles goodness of pronunciation (GOP).
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import log
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder, set_loglevel

from speech.errors import EngineFailure, TextMismatch
from speech.lexicon import Pronunciation, pronounce
from speech.waveform import SAMPLE_RATE_HZ

FRAME_SECONDS: Final = 0.01
# One unit of a senone score: logarithms to the base 1.0001, shifted by ten bits.
_NATS: Final = 1024 * log(1.0001)

# The defaults (1e-48, 7e-29) prune away every fourth learner; docs/adr/0021.
_BEAMS: Final = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
_WIDE_BEAMS: Final = {"beam": 1e-300, "pbeam": 1e-300, "wbeam": 1e-300}

# The phone pass keeps every state of every frame, so it runs on pieces, cut where the word pass
# found the longest silence near this length: ten minutes in one piece would take gigabytes.
_PIECE_SECONDS: Final = 20.0
# Three states a phone, a frame each at least.
_MIN_PHONE_FRAMES: Final = 3

# Words that no dictionary lists stay in a decoder for good, so it is replaced after so many.
_MAX_ADDED_WORDS: Final = 5_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlignedPhone:
    """One phone (ARPAbet) or silence (`SIL`); times in seconds, `score` in nats a frame, ≤ 0."""

    phone: str
    start: float
    end: float
    score: float


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
class Alignment:
    """All words in order, none missing, and the silence and noise around them."""

    words: tuple[AlignedWord, ...]
    silences: tuple[AlignedPhone, ...]
    seconds: float  # of the recording


@dataclass(frozen=True, slots=True)
class _Piece:
    """Frames `[start, end)` of the recording, and the words said in them."""

    start: int
    end: int
    words: Sequence[str]


_T = TypeVar("_T")
_Pronunciations = Mapping[str, Pronunciation]


class _PathLost(Exception):
    """The search ended without a path through all words."""


class _Aligner:
    """A pocketsphinx decoder with fixed beams, and the words that were added to it."""

    def __init__(self, beams: Mapping[str, float]) -> None:
        self._beams = beams
        self._renew()

    def decoder(self, pronunciations: _Pronunciations) -> Decoder:
        """The decoder, knowing all of these words."""
        if self._added > _MAX_ADDED_WORDS:
            self._renew()
        for word, said in pronunciations.items():
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, " ".join(said.variants[0]), update=False)
                self._added += 1
        return self._decoder

    def _renew(self) -> None:
        set_loglevel("FATAL")  # it speaks to stderr of every path it loses
        self._decoder = Decoder(
            lm=None, bestpath=False, cmn="batch", loglevel="FATAL", **self._beams
        )
        self._added = 0


@cache
def _aligner(*, wide: bool) -> _Aligner:
    """One decoder a process; the second, without pruning, only once it is needed."""
    return _Aligner(_WIDE_BEAMS if wide else _BEAMS)


def load() -> None:
    """Read the model, so that the first alignment of a process is as fast as the next."""
    _aligner(wide=False)
    pronounce("a")


def align(waveform: NDArray[np.float32], words: Sequence[str]) -> Alignment:
    """Find words and phones in a recording.

    The result depends on the arguments alone, and not on the loudness of the recording.

    Args:
        waveform: Shape (n,), mono at 16 kHz, not silent.
        words: Spoken words, lower case, in order, at least one.

    Returns:
        One `AlignedWord` for each of `words`; times ascend and lie inside the recording.

    Raises:
        TextMismatch: If the words do not fit into the recording, or no path through it, however
            unlikely, says them in this order.
        EngineFailure: If pocketsphinx breaks its own rules.
    """
    pronunciations = {word: pronounce(word) for word in words}
    pcm = _pcm16(waveform)
    shortest = sum(
        min(map(len, pronunciations[word].variants)) * _MIN_PHONE_FRAMES for word in words
    )
    if shortest > _frames(pcm):
        raise TextMismatch(reason="the text is longer than anybody can say in that time")
    aligned: list[AlignedWord] = []
    silences: list[AlignedPhone] = []
    for piece in _pieces(pcm, words, pronunciations):
        samples = pcm[_sample(piece.start) : _sample(piece.end)]
        for name, phones in _with_retry(_phone_pass, samples, piece.words, pronunciations):
            placed = tuple(_shifted(phone, piece.start * FRAME_SECONDS) for phone in phones)
            if _is_silence(name):
                silences += placed
            else:
                word = words[len(aligned)]
                aligned.append(AlignedWord(word, placed, pronunciations[word].is_listed))
    if len(aligned) != len(words):
        raise EngineFailure(reason=f"{len(words)} words went in, {len(aligned)} came out")
    return Alignment(tuple(aligned), tuple(silences), len(waveform) / SAMPLE_RATE_HZ)


def _pcm16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Scale to half of full range, so that quiet recordings keep their resolution."""
    peak = float(np.abs(waveform).max())
    return np.round(waveform * (16_384 / peak)).astype(np.int16)


def _frames(pcm: NDArray[np.int16]) -> int:
    return int(len(pcm) / SAMPLE_RATE_HZ / FRAME_SECONDS)


def _sample(frame: int) -> int:
    return round(frame * FRAME_SECONDS * SAMPLE_RATE_HZ)


def _shifted(phone: AlignedPhone, seconds: float) -> AlignedPhone:
    return AlignedPhone(phone.phone, phone.start + seconds, phone.end + seconds, phone.score)


def _is_silence(name: str) -> bool:
    return name[0] in "<["


def _pieces(
    pcm: NDArray[np.int16], words: Sequence[str], pronunciations: _Pronunciations
) -> list[_Piece]:
    """Cut a long recording between words; a short one stays whole."""
    frames = _frames(pcm)
    wanted = _PIECE_SECONDS / FRAME_SECONDS
    if frames <= 1.5 * wanted:
        return [_Piece(0, frames + 1, words)]
    found = _with_retry(_word_pass, pcm, words, pronunciations)
    spans = [(start, end) for name, start, end in found if not _is_silence(name)]
    pieces, begin, first = [], 0, 0
    for index, ((_, end), (following, _)) in enumerate(pairwise(spans), start=1):
        middle = (end + following) // 2
        # The longer the piece has become, the shorter a silence suffices to cut at.
        if middle - begin + 10 * (following - end) >= wanted:
            pieces.append(_Piece(begin, middle, words[first:index]))
            begin, first = middle, index
    return [*pieces, _Piece(begin, frames + 1, words[first:])]


def _with_retry(
    search: Callable[[Decoder, NDArray[np.int16], Sequence[str]], _T],
    pcm: NDArray[np.int16],
    words: Sequence[str],
    pronunciations: _Pronunciations,
) -> _T:
    """Search with narrow beams, and where they lose the path once more without pruning."""
    try:
        return search(_aligner(wide=False).decoder(pronunciations), pcm, words)
    except _PathLost:
        _log.info("The beams lost a recording of %d words; searching without.", len(words))
    try:
        return search(_aligner(wide=True).decoder(pronunciations), pcm, words)
    except _PathLost as lost:
        raise TextMismatch(reason="its words cannot be found in the recording") from lost


def _word_pass(
    decoder: Decoder, pcm: NDArray[np.int16], words: Sequence[str]
) -> list[tuple[str, int, int]]:
    """Names with their first frame and the one past their last; silence is among them."""
    try:
        decoder.set_align_text(" ".join(words))
        _run(decoder, pcm)
    except RuntimeError as error:  # what pocketsphinx raises for everything
        raise _PathLost from error
    found = [(entry.word, entry.start_frame, entry.end_frame + 1) for entry in decoder.seg() or ()]
    if sum(not _is_silence(name) for name, _, _ in found) != len(words):
        raise _PathLost  # the search ended before the last word
    return found


def _phone_pass(
    decoder: Decoder, pcm: NDArray[np.int16], words: Sequence[str]
) -> list[tuple[str, tuple[AlignedPhone, ...]]]:
    """The word pass, then the phones of each word and silence that it found."""
    _word_pass(decoder, pcm, words)
    try:
        decoder.set_alignment()
        _run(decoder, pcm)
        alignment = decoder.get_alignment()
    except RuntimeError as error:
        raise _PathLost from error
    if alignment is None:
        raise _PathLost
    seconds = len(pcm) / SAMPLE_RATE_HZ
    return [(word.name, tuple(_phone(phone, seconds) for phone in word)) for word in alignment]


def _phone(entry: Any, seconds: float) -> AlignedPhone:  # noqa: ANN401 - pocketsphinx has no types
    end = (entry.start + entry.duration) * FRAME_SECONDS
    score = entry.score * _NATS / entry.duration
    return AlignedPhone(entry.name, entry.start * FRAME_SECONDS, min(end, seconds), score)


def _run(decoder: Decoder, pcm: NDArray[np.int16]) -> None:
    """Search one whole utterance; nothing of the one before may be left in the decoder."""
    with warnings.catch_warnings():
        # It calls itself unnecessary, but nothing else makes it forget the noise it has heard.
        warnings.simplefilter("ignore", DeprecationWarning)
        decoder.start_stream()
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
