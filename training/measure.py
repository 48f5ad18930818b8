"""Measure a rated corpus once, so that networks can be trained on it many times.

    python -m training.measure CORPUS FEATURES [--variants 5]

Every recording is aligned with its text and measured, clean and through several random channels
(`training.channels`). FEATURES is a folder with one file per hundred utterances; it takes 1.8 MB
per utterance.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.endpoints import speech_part
from speech.acoustics.front_end import cepstra, features
from speech.acoustics.whisper import whisper_encoder
from speech.alignment.forced import AlignedPiece, aligned_pieces
from speech.scores.features import network_input, step_embeddings
from speech.scores.network import NetworkInput
from speech.scores.prosody import DurationNorm
from speech.text.lexicon import Pronunciation, pronounce
from training.annotations import RealisedWord, carried_over_shares, read_realised
from training.channels import random_channel
from training.corpus import UTTERANCE_SCORES, Utterance, read_corpus
from training.examples import Example, write_examples
from training.ratings import carried_over

_SHARD = 100
NORMS = "durations.json"
LEAST_SPREAD = 0.1  # for phones that are rare in the corpus

Norms = Mapping[str, DurationNorm]


def measure(
    waveform: NDArray[np.float32],
    words: Sequence[str],
    norms: Norms,
    pronunciations: Sequence[Pronunciation] | None = None,
) -> NetworkInput:
    """Return the network's input for a recording of at most one piece, with embeddings.

    Args:
        waveform: Shape (n,).
        words: What was said.
        norms: Usual duration of each phone.
        pronunciations: Of each word; default: those of the dictionary.
    """
    part = speech_part(waveform)
    frames = features(cepstra(part.waveform))
    embeddings = step_embeddings(whisper_encoder(), part.waveform, len(frames))
    piece = _aligned(frames, words, pronunciations or [pronounce(word) for word in words])
    return network_input(frames, piece, part.pitch, norms, embeddings)


def _aligned(
    frames: NDArray[np.float32], words: Sequence[str], pronunciations: Sequence[Pronunciation]
) -> AlignedPiece:
    (piece,) = aligned_pieces(frames, words, pronunciations)
    return piece


def duration_norms(utterances: Sequence[Utterance]) -> Norms:
    """Compute how long these speakers hold each phone."""
    frames = defaultdict(list)
    for utterance in utterances:
        recording = features(cepstra(speech_part(utterance.waveform()).waveform))
        words = utterance.spoken()
        piece = _aligned(recording, words, [pronounce(word) for word in words])
        for word in piece.alignment.words:
            for phone in word.phones:
                frames[phone.phone].append(np.log(phone.end_frame - phone.start_frame))
    return {
        phone: DurationNorm(float(np.mean(logs)), max(float(np.std(logs)), LEAST_SPREAD))
        for phone, logs in sorted(frames.items())
    }


def read_norms(features: Path) -> Norms:
    """Read the norms that `main` wrote beside the measures."""
    norms = json.loads((features / NORMS).read_text(encoding="utf-8"))
    return {phone: DurationNorm(**norm) for phone, norm in norms.items()}


def write_shards(
    folder: Path,
    utterances: Sequence[Utterance],
    examples_of: Callable[[Sequence[Utterance], int], Iterable[Example]],
) -> None:
    """Write one file of examples per hundred utterances, on all cores.

    Args:
        folder: Created if missing.
        utterances: Utterances of a corpus.
        examples_of: Measures the utterance of a given index; picklable.
    """
    for_each_shard(folder, utterances, partial(_write_shard, utterances, examples_of))


def for_each_shard(
    folder: Path,
    utterances: Sequence[Utterance],
    write: Callable[[Path, range], None],
    size: int = _SHARD,
) -> None:
    """Write one file for so many utterances, on all cores.

    Args:
        folder: Created if missing.
        utterances: Utterances of a corpus.
        write: Writes the file of the utterances with given indices; picklable.
        size: Utterances per file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = len(utterances)
    shards = [range(first, min(first + size, count)) for first in range(0, count, size)]
    paths = [folder / f"{utterances[shard.start].name}.npz" for shard in shards]
    with ProcessPoolExecutor() as pool:
        for path, _ in zip(paths, pool.map(write, paths, shards), strict=True):
            print(path)


def _write_shard(
    utterances: Sequence[Utterance],
    examples_of: Callable[[Sequence[Utterance], int], Iterable[Example]],
    path: Path,
    indices: range,
) -> None:
    write_examples(path, [one for index in indices for one in examples_of(utterances, index)])


def _rated(
    norms: Norms,
    variants: int,
    marks: Mapping[str, Sequence[RealisedWord]],
    utterances: Sequence[Utterance],
    index: int,
) -> Iterator[Example]:
    """Yield the clean recording and so many variants through random channels."""
    utterance = utterances[index]
    clean = utterance.waveform()
    for variant in range(variants + 1):
        chance = utterance.chance(variant)
        waveform = random_channel(chance)(clean, chance) if variant else clean
        given = measure(waveform, utterance.spoken(), norms)
        yield Example(
            name=utterance.name,
            speaker=utterance.speaker,
            variant=variant,
            given=given,
            phone_accuracy=carried_over(utterance.words, given),
            marks=carried_over_shares(marks[utterance.name], given),
            word_accuracy=np.array([word.accuracy for word in utterance.words], np.float32),
            utterance=np.array([utterance.means[score] for score in UTTERANCE_SCORES], np.float32),
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("--variants", type=int, default=5)
    arguments = parser.parse_args(argv)
    arguments.features.mkdir(parents=True, exist_ok=True)
    utterances = read_corpus(arguments.corpus)
    norms = duration_norms(utterances[::2])
    (arguments.features / NORMS).write_text(
        json.dumps({phone: asdict(norm) for phone, norm in norms.items()}, indent=1) + "\n",
        encoding="utf-8",
    )
    examples_of = partial(_rated, norms, arguments.variants, read_realised(arguments.corpus))
    write_shards(arguments.features, utterances, examples_of)


if __name__ == "__main__":
    main()
