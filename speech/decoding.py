"""Pocketsphinx as a forced aligner: one decoder a process, two passes, frames in and out.

The acoustic model is the phonetically-tied `en-us` that ships in the wheel (BSD). Everything
that pocketsphinx wants handled with care is handled here.
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder, set_loglevel

from speech.errors import TextMismatch
from speech.text.lexicon import Pronunciation

# One unit of a senone score: logarithms to the base 1.0001, shifted by ten bits.
_NATS: Final = 1024 * log(1.0001)

# The defaults (1e-48, 7e-29) prune away every fourth learner; docs/adr/0021.
_BEAMS: Final = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
_WIDE_BEAMS: Final = {"beam": 1e-300, "pbeam": 1e-300, "wbeam": 1e-300}

# Words that no dictionary lists stay in a decoder for good, so it is replaced after so many.
_MAX_ADDED_WORDS: Final = 5_000

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone in frames `[start, end)`; `score` in nats a frame, at most 0."""

    name: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word, or silence or noise between words, in frames `[start, end)`."""

    name: str
    start: int
    end: int
    phones: tuple[FoundPhone, ...] = ()

    @property
    def is_silence(self) -> bool:
        """Whether it is `<sil>`, `[NOISE]` or the like."""
        return self.name[0] in "<["


class _PathLost(Exception):
    """The search ended without a path through all words."""


class _Decoder:
    """A pocketsphinx decoder with fixed beams, and a count of the words added to it."""

    def __init__(self, beams: Mapping[str, float]) -> None:
        self._beams = beams
        self._renew()

    def knowing(self, pronunciations: Mapping[str, Pronunciation]) -> Decoder:
        """The decoder, with all of these words in its dictionary."""
        if self.added > _MAX_ADDED_WORDS:
            self._renew()
        for word, said in pronunciations.items():
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, " ".join(said.variants[0]), update=False)
                self.added += 1
        return self._decoder

    def _renew(self) -> None:
        set_loglevel("FATAL")  # it speaks to stderr of every path it loses
        self._decoder = Decoder(
            lm=None, bestpath=False, cmn="batch", loglevel="FATAL", **self._beams
        )
        self.added = 0


@cache
def decoder(*, wide: bool) -> _Decoder:
    """One decoder a process; the second, without pruning, only once it is needed."""
    return _Decoder(_WIDE_BEAMS if wide else _BEAMS)


def find_words(
    pcm: NDArray[np.int16], words: Sequence[str], pronunciations: Mapping[str, Pronunciation]
) -> list[FoundWord]:
    """Find words, and the silences between them, without their phones.

    Args:
        pcm: Shape (n,), 16 kHz.
        words: In order, at least one.
        pronunciations: Of all words.

    Raises:
        TextMismatch: If no path through the recording, however unlikely, says them.
    """
    return _with_retry(_word_pass, pcm, words, pronunciations)


def find_phones(
    pcm: NDArray[np.int16], words: Sequence[str], pronunciations: Mapping[str, Pronunciation]
) -> list[FoundWord]:
    """Find words and their phones; otherwise like `find_words`."""
    return _with_retry(_phone_pass, pcm, words, pronunciations)


def _with_retry(
    search: Callable[[Decoder, NDArray[np.int16], Sequence[str]], _T],
    pcm: NDArray[np.int16],
    words: Sequence[str],
    pronunciations: Mapping[str, Pronunciation],
) -> _T:
    """Search with narrow beams, and where they lose the path once more without pruning."""
    try:
        return search(decoder(wide=False).knowing(pronunciations), pcm, words)
    except _PathLost:
        _log.info("The beams lost a recording of %d words; searching without.", len(words))
    try:
        return search(decoder(wide=True).knowing(pronunciations), pcm, words)
    except _PathLost as lost:
        raise TextMismatch(reason="its words cannot be found in the recording") from lost


def _word_pass(search: Decoder, pcm: NDArray[np.int16], words: Sequence[str]) -> list[FoundWord]:
    try:
        search.set_align_text(" ".join(words))
        _run(search, pcm)
    except RuntimeError:  # what pocketsphinx raises for everything, naming the learner's words
        raise _PathLost from None
    found = [FoundWord(s.word, s.start_frame, s.end_frame + 1) for s in search.seg() or ()]
    if sum(not word.is_silence for word in found) != len(words):
        raise _PathLost  # the search ended before the last word
    return found


def _phone_pass(search: Decoder, pcm: NDArray[np.int16], words: Sequence[str]) -> list[FoundWord]:
    """The word pass, then the phones of each word and silence that it found."""
    _word_pass(search, pcm, words)
    try:
        search.set_alignment()
        _run(search, pcm)
        alignment = search.get_alignment()
    except RuntimeError:
        raise _PathLost from None
    if alignment is None:
        raise _PathLost
    return [
        FoundWord(
            word.name,
            word.start,
            word.start + word.duration,
            tuple(
                FoundPhone(p.name, p.start, p.start + p.duration, p.score * _NATS / p.duration)
                for p in word
            ),
        )
        for word in alignment
    ]


def _run(search: Decoder, pcm: NDArray[np.int16]) -> None:
    """Search one whole utterance; nothing of the one before may be left in the decoder."""
    with warnings.catch_warnings():
        # It calls itself unnecessary, but nothing else makes it forget the noise it has heard.
        warnings.simplefilter("ignore", DeprecationWarning)
        search.start_stream()
    search.start_utt()
    search.process_raw(pcm.tobytes(), full_utt=True)
    search.end_utt()
