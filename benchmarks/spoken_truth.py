"""Recordings whose words' edges are known exactly: spoken by a synthetic voice."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.alignment.by_voice import word_edges
from speech.engines.dtw import VOICES
from speech.synthetic_voice import Speak
from speech.text import transcript
from speech.text.transcript import Word
from speech.waveform import SAMPLE_RATE_HZ
from training.signals import Waveform

SENTENCES: Final[dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("sentences.json").read_text(encoding="utf-8")
)
# Variants of espeak-ng's voice, none of them dtw's, and words a minute.
SPEAKERS: Final = (("+f4", 130), ("+m3", 200), ("+f1", 165), ("+m5", 150))

_PAUSE_SHARE: Final = 0.15  # of the places between two words
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.2, 0.8  # of pauses and margins
_NOISE_DB: Final = -30.0
_LOUDNESS: Final = 0.5
_PUNCTUATION: Final = {"": "", "phrase": ",", "sentence": "."}


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A recording.

    Attributes:
        text: What it says.
        waveform: Shape (n,), mono at 16 kHz.
        edges: Beginning and end of each word, shape (words, 2), seconds.
        phrases: Index of each phrase's first word, and one past its last. Punctuation and pauses
            part phrases.
    """

    text: str
    waveform: Waveform
    edges: NDArray[np.float64]
    phrases: tuple[tuple[int, int], ...]


def recorded(language: str, sentences: int, speak: Speak) -> list[Truth]:
    """Record the first sentences of a language with each speaker; the same every time."""
    return [
        _recorded(text, language, speaker, words_per_minute, speak, np.random.default_rng(seed))
        for number, text in enumerate(SENTENCES[language][:sentences])
        for seed, (speaker, words_per_minute) in enumerate(SPEAKERS, 10 * number)
    ]


def _recorded(
    text: str,
    language: str,
    speaker: str,
    words_per_minute: int,
    speak: Speak,
    rng: np.random.Generator,
) -> Truth:
    words = transcript.read(text, language).words
    pieces = [" ".join(word.spoken) + _PUNCTUATION[word.boundary] for word in words]
    starts = list(accumulate((len(piece) + 1 for piece in pieces), initial=0))[:-1]
    said = speak(
        " ".join(pieces), voice=VOICES[language] + speaker, words_per_minute=words_per_minute
    )
    edges = word_edges(said, starts, [len(word.text) for word in words])
    is_pause = rng.random(len(words) - 1) < _PAUSE_SHARE
    lengths = rng.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS, len(words) + 1)
    lengths[1:-1] *= is_pause
    cuts = np.concatenate([[0], edges[:-1, 1], [said.seconds]])
    waveform = np.concatenate(
        [_silence(lengths[0])]
        + [
            part
            for begin, end, pause in zip(cuts[:-1], cuts[1:], lengths[1:], strict=True)
            for part in (said.waveform[_sample(begin) : _sample(end)], _silence(pause))
        ]
    )
    waveform += rng.normal(0, np.std(waveform) * 10 ** (_NOISE_DB / 20), len(waveform))
    return Truth(
        text,
        (_LOUDNESS * waveform).astype(np.float32),
        edges + np.cumsum(lengths[:-1])[:, np.newaxis],
        _phrases(words, is_pause),
    )


def _phrases(words: Sequence[Word], is_pause: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    ends = [
        index + 1
        for index, (word, pauses) in enumerate(zip(words, [*is_pause, True], strict=True))
        if pauses or word.boundary
    ]
    return tuple(zip([0, *ends], ends, strict=False))


def _sample(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _silence(seconds: float) -> Waveform:
    return np.zeros(_sample(seconds), np.float32)
