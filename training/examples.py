"""Store examples for training the network: measured pieces of speech with experts' ratings.

They are stored in a folder of `.npz` files, each with many examples laid end to end, frames and
embeddings in float16: 2,500 utterances of four seconds take 700 MB.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.scores.network import MARKS, NetworkInput, Standardisation, Standardisations

LEAST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True)
class Example:
    """Measures and ratings of one utterance or of a corrupted copy."""

    name: str  # of the utterance; its copies share it
    speaker: str
    variant: int  # 0: clean recording; from 1 on: corrupted copies
    given: NetworkInput
    phone_accuracy: NDArray[np.float32]  # (P,): 0 to 2, NaN where not rated
    marks: NDArray[np.float32]  # (P, 3): shares of the experts who marked it right, accented, wrong
    word_accuracy: NDArray[np.float32]  # (W,): 0 to 10
    utterance: NDArray[np.float32]  # (4,): accuracy, fluency, prosodic, total, 0 to 10


def unrated(name: str, speaker: str, variant: int, given: NetworkInput) -> Example:
    """Return an example without any rating."""
    phones, words = len(given.phones), int(given.words[-1]) + 1
    return Example(
        name,
        speaker,
        variant,
        given,
        phone_accuracy=np.full(phones, np.nan, np.float32),
        marks=np.full((phones, MARKS), np.nan, np.float32),
        word_accuracy=np.full(words, np.nan, np.float32),
        utterance=np.full(4, np.nan, np.float32),
    )


def write_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write one `.npz`; a folder may hold any number of them."""
    given = [example.given for example in examples]
    np.savez(
        path,
        frame_counts=np.array([len(one.frames) for one in given]),
        step_counts=np.array([len(one.embeddings) for one in given]),
        phone_counts=np.array([len(one.phones) for one in given]),
        word_counts=np.array([len(example.word_accuracy) for example in examples]),
        frames=np.concatenate([one.frames.astype(np.float16) for one in given]),
        embeddings=np.concatenate([one.embeddings.astype(np.float16) for one in given]),
        segments=np.concatenate([one.segments for one in given]),
        phones=np.concatenate([one.phones for one in given]),
        positions=np.concatenate([one.positions for one in given]),
        words=np.concatenate([one.words for one in given]),
        goodness=np.concatenate([one.goodness for one in given]),
        utterance=np.stack([one.utterance for one in given]),
        phone_accuracy=np.concatenate([example.phone_accuracy for example in examples]),
        marks=np.concatenate([example.marks for example in examples]),
        word_accuracy=np.concatenate([example.word_accuracy for example in examples]),
        labels=np.stack([example.utterance for example in examples]),
        name=np.array([example.name for example in examples]),
        speaker=np.array([example.speaker for example in examples]),
        variant=np.array([example.variant for example in examples]),
    )


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.npz`; names need not be Python identifiers."""
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_examples(folder: Path) -> Iterator[Example]:
    """Read the files of a folder, in the order of their names; frames, embeddings stay float16."""
    for path in sorted(folder.glob("*.npz")):
        yield from _read(path)


def _read(path: Path) -> list[Example]:
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    frames = _divided(arrays, "frame_counts", "frames")
    embeddings = _divided(arrays, "step_counts", "embeddings")
    by_phone = _divided(
        arrays, "phone_counts",
        "segments", "phones", "positions", "words", "goodness", "phone_accuracy", "marks",
    )  # fmt: skip
    by_word = _divided(arrays, "word_counts", "word_accuracy")
    return [
        Example(
            str(arrays["name"][index]), str(arrays["speaker"][index]),
            int(arrays["variant"][index]),
            NetworkInput(
                frames[index][0], embeddings[index][0],
                segments, phones, positions, words, goodness, arrays["utterance"][index],
            ),
            phone_accuracy, marks, by_word[index][0], arrays["labels"][index],
        )
        for index, (
            segments, phones, positions, words, goodness, phone_accuracy, marks,
        ) in enumerate(by_phone)
    ]  # fmt: skip


def _divided(
    arrays: dict[str, NDArray[Any]], counts: str, *names: str
) -> list[tuple[NDArray[Any], ...]]:
    ends = np.cumsum(arrays[counts])[:-1]
    return list(zip(*(np.split(arrays[name], ends) for name in names), strict=True))


def standardisations(examples: Sequence[Example]) -> Standardisations:
    """Compute mean and standard deviation of every input over all examples, copies included."""
    given = [example.given for example in examples]
    return Standardisations(
        _moments([one.frames for one in given]),
        _moments([one.embeddings for one in given]),
        _moments([one.goodness for one in given]),
        _moments([one.utterance[None] for one in given]),
    )


def _moments(values: Sequence[NDArray[np.float32]]) -> Standardisation:
    # One example at a time: all frames in double precision do not fit into memory.
    count = sum(len(each) for each in values)
    mean = sum(each.sum(axis=0, dtype=np.float64) for each in values) / count
    squares = sum(np.square(each - mean).sum(axis=0) for each in values)
    spread = np.maximum(np.sqrt(squares / count), LEAST_SPREAD)
    return Standardisation(np.stack([mean, spread]).astype(np.float32))
