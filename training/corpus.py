"""A corpus of rated recordings: `labels.jsonl` and `audio/*.flac` (speechocean762)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.text.lexicon import Pronunciation
from speech.waveform import SAMPLE_RATE_HZ

SCORES = ("accuracy", "fluency", "prosodic", "total")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording with the means of its experts' ratings."""

    name: str
    speaker: str
    audio: Path
    words: tuple[str, ...]  # lower case
    phones: tuple[tuple[str, ...], ...]  # of each word, as rated
    phone_accuracy: tuple[tuple[float, ...], ...]  # 0 to 2
    word_accuracy: tuple[float, ...]  # 0 to 10
    scores: tuple[float, ...]  # `SCORES`, 0 to 10

    def waveform(self) -> NDArray[np.float32]:
        """Shape (n,), mono at 16 kHz."""
        waveform, rate_hz = soundfile.read(self.audio, dtype="float32")
        if rate_hz != SAMPLE_RATE_HZ:
            msg = f"{self.audio} has {rate_hz} Hz; {SAMPLE_RATE_HZ} are needed."
            raise ValueError(msg)
        return np.asarray(waveform)

    def pronunciations(self) -> list[Pronunciation]:
        """The phones that the experts rated, and no others."""
        return [Pronunciation((phones,), is_listed=True) for phones in self.phones]


def read_corpus(folder: Path) -> list[Utterance]:
    """Read all labels, in order."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [_utterance(folder, json.loads(line)) for line in lines]


def _utterance(folder: Path, label: dict[str, Any]) -> Utterance:
    words = label["words"]
    return Utterance(
        name=label["utterance"],
        speaker=label["speaker"],
        audio=folder / "audio" / f"{label['utterance']}.flac",
        words=tuple(word["text"].lower() for word in words),
        phones=tuple(tuple(word["phones"]) for word in words),
        phone_accuracy=tuple(tuple(word["phone_accuracy"]) for word in words),
        word_accuracy=tuple(word["accuracy"] for word in words),
        scores=tuple(label[score] for score in SCORES),
    )
