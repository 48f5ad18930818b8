"""Forced alignment for English: when each word and phone of a known text is said.

One pass finds the words, with optional silence between them and any listed pronunciation; a
second the phones inside them. Scores are log likelihoods in nats, relative to the best state
that competes in the same frame, so 0 is the best and a mean over frames resembles goodness of
pronunciation (GOP).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech import decoding
from speech.decoding import FoundPhone
from speech.errors import EngineFailure, TextMismatch
from speech.text.lexicon import Pronunciation, pronounce
from speech.waveform import SAMPLE_RATE_HZ

FRAME_SECONDS: Final = 0.01
_FRAME_SAMPLES: Final = 160

# The phone pass keeps every state of every frame, so it runs on pieces, cut where the word pass
# found the longest silence near this length: ten minutes in one piece would take gigabytes.
_PIECE_FRAMES: Final = 2_000

# Three states a phone, a frame each at least.
_MIN_PHONE_FRAMES: Final = 3


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


def load() -> None:
    """Read the model, so that the first alignment of a process is as fast as the next."""
    decoding.decoder(wide=False)
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
    _require_room(pcm, words, pronunciations)
    seconds = len(waveform) / SAMPLE_RATE_HZ
    aligned: list[AlignedWord] = []
    silences: list[AlignedPhone] = []
    for piece in _pieces(pcm, words, pronunciations):
        samples = pcm[piece.start * _FRAME_SAMPLES : piece.end * _FRAME_SAMPLES]
        for found in decoding.find_phones(samples, piece.words, pronunciations):
            phones = tuple(_placed(phone, piece.start, seconds) for phone in found.phones)
            if found.is_silence:
                silences += phones
            else:
                word = words[len(aligned)]
                aligned.append(AlignedWord(word, phones, pronunciations[word].is_listed))
    if len(aligned) != len(words):
        raise EngineFailure(reason=f"{len(words)} words went in, {len(aligned)} came out")
    return Alignment(tuple(aligned), tuple(silences), seconds)


def _pcm16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Scale to half of full range, so that quiet recordings keep their resolution."""
    peak = float(np.abs(waveform).max())
    return np.round(waveform * (16_384 / peak)).astype(np.int16)


def _require_room(
    pcm: NDArray[np.int16], words: Sequence[str], pronunciations: Mapping[str, Pronunciation]
) -> None:
    """Refuse texts that no speed of speaking fits in, before they reach a decoder."""
    phones = sum(min(map(len, pronunciations[word].variants)) for word in words)
    if phones * _MIN_PHONE_FRAMES > len(pcm) // _FRAME_SAMPLES:
        raise TextMismatch(reason="the text is longer than anybody can say in that time")


def _placed(phone: FoundPhone, offset_frames: int, seconds: float) -> AlignedPhone:
    """From frames of a piece to seconds of the recording; its last frame may reach beyond it."""
    start = (phone.start + offset_frames) * FRAME_SECONDS
    end = min((phone.end + offset_frames) * FRAME_SECONDS, seconds)
    return AlignedPhone(phone.name, start, end, phone.score)


def _pieces(
    pcm: NDArray[np.int16], words: Sequence[str], pronunciations: Mapping[str, Pronunciation]
) -> list[_Piece]:
    """Cut a long recording between words; a short one stays whole."""
    end = len(pcm) // _FRAME_SAMPLES + 1
    if end <= 1.5 * _PIECE_FRAMES:
        return [_Piece(0, end, words)]
    found = decoding.find_words(pcm, words, pronunciations)
    spans = [word for word in found if not word.is_silence]
    pieces, begin, first = [], 0, 0
    for index, (word, following) in enumerate(pairwise(spans), start=1):
        middle = (word.end + following.start) // 2
        # The longer the piece has become, the shorter a silence suffices to cut at.
        if middle - begin + 10 * (following.start - word.end) >= _PIECE_FRAMES:
            pieces.append(_Piece(begin, middle, words[first:index]))
            begin, first = middle, index
    return [*pieces, _Piece(begin, end, words[first:])]
