"""Read a folder of recordings rated by experts: `labels.jsonl` and `audio/<utterance>.flac`.

The layout is that of speechocean762 as the tests and the demo use it: one object per line with
`utterance`, `speaker`, `seconds`, `text`, the experts' means `accuracy`, `fluency`, `prosodic` and
`total` (0-10), optionally their medians (`accuracy_median` ...), and `words`, each with `text`,
`accuracy` (0-10), `phones` (ARPAbet) and `phone_accuracy` (0-2).
"""

import itertools
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.waveform import SAMPLE_RATE_HZ

UTTERANCE_SCORES: Final = ("accuracy", "fluency", "prosodic", "total")


@dataclass(frozen=True, slots=True)
class RatedWord:
    """The experts' ratings of one word; `phone_accuracy` has one number for each of `phones`."""

    text: str
    accuracy: float
    phones: tuple[str, ...]
    phone_accuracy: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One rated recording; the experts' `means` and `medians` by name of the score."""

    audio: Path
    speaker: str
    seconds: float
    text: str
    words: tuple[RatedWord, ...]
    means: dict[str, float]
    medians: dict[str, float]

    @property
    def name(self) -> str:
        """Its id in the corpus."""
        return self.audio.stem

    def chance(self, use: int) -> np.random.Generator:
        """Return a generator that is reproducible and differs by utterance and use."""
        return np.random.default_rng([use, zlib.crc32(self.name.encode())])

    def waveform(self) -> NDArray[np.float32]:
        """Read the samples, shape (n,), mono at 16 kHz."""
        waveform, rate_hz = soundfile.read(self.audio, dtype="float32")
        if rate_hz != SAMPLE_RATE_HZ:
            msg = f"{self.audio} has {rate_hz} Hz; resample it to {SAMPLE_RATE_HZ} Hz."
            raise ValueError(msg)
        return np.asarray(waveform)

    def spoken(self) -> list[str]:
        """Return its words in lower case."""
        return [word.text.lower() for word in self.words]


def read_corpus(folder: Path, sample: int | None = None) -> list[Utterance]:
    """Read all utterances, or a sample spread evenly over speakers, always the same one.

    Raises:
        FileNotFoundError: If the folder contains no `labels.jsonl`.
    """
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    utterances = [_utterance(folder, json.loads(line)) for line in lines]
    return utterances if sample is None else _spread(utterances, sample)


def other_texts(utterances: Sequence[Utterance], *, similar_length: bool) -> list[str]:
    """Return, for each utterance, the text of another: random, or of a similar number of phones.

    Raises:
        ValueError: If all texts are the same.
    """
    if len({utterance.text for utterance in utterances}) < 2:
        msg = "All texts are the same, but different ones are needed. Use more utterances."
        raise ValueError(msg)
    rng = random.Random(0)  # noqa: S311 - a sample, not a secret
    lengths = [sum(len(word.phones) for word in one.words) for one in utterances]
    texts = []
    for utterance, length in zip(utterances, lengths, strict=True):
        others = [at for at, one in enumerate(utterances) if one.text != utterance.text]
        if similar_length:
            apart = min(abs(lengths[at] - length) for at in others)
            others = [at for at in others if abs(lengths[at] - length) == apart]
        texts.append(utterances[rng.choice(others)].text)
    return texts


def _spread(utterances: list[Utterance], sample: int) -> list[Utterance]:
    """Return a first random utterance of every speaker, then a second, and so on."""
    shuffled = random.Random(0).sample(utterances, k=len(utterances))  # noqa: S311 - not a secret
    by_speaker: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in shuffled:
        by_speaker[utterance.speaker].append(utterance)
    rounds = itertools.zip_longest(*by_speaker.values())
    return [one for row in rounds for one in row if one is not None][:sample]


def _utterance(folder: Path, label: dict[str, Any]) -> Utterance:
    return Utterance(
        audio=folder / "audio" / f"{label['utterance']}.flac",
        speaker=label["speaker"],
        seconds=label["seconds"],
        text=label["text"],
        words=tuple(
            RatedWord(
                word["text"],
                word["accuracy"],
                tuple(word["phones"]),
                tuple(word["phone_accuracy"]),
            )
            for word in label["words"]
        ),
        means={name: label[name] for name in UTTERANCE_SCORES},
        medians={
            name: label[f"{name}_median"]
            for name in UTTERANCE_SCORES
            if label.get(f"{name}_median") is not None
        },
    )
