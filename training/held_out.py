"""Predictions for held-out speakers; everything that decides is fitted on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.scores.gate import gate_evidence
from speech.scores.network import Network
from training.examples import Example
from training.stacking import HeldOutPhones, joined, rated_phones

Array = NDArray[np.float32]


@dataclass(frozen=True)
class HeldOutPredictions:
    """What a network that never saw the speaker makes of examples; n of them.

    Attributes:
        fold: Which network, shape (n,).
        variant: Of the examples, shape (n,).
        evidence: Shape (n, evidence).
        words: Expected scores of all words, end to end; see `ratings`.
        ratings: What experts gave them.
        word_fold: Which network.
        phones: The rated phones of clean recordings.
    """

    fold: NDArray[np.int64]
    variant: NDArray[np.int64]
    evidence: Array
    words: Array
    ratings: Array
    word_fold: NDArray[np.int64]
    phones: HeldOutPhones


def predictions_of_folds(examples: Sequence[Example], network: Path) -> HeldOutPredictions:
    """Have every example judged by the network of the fold in which its speaker was held out."""
    folds, variants, evidence, words, ratings = [], [], [], [], []
    phones: list[HeldOutPhones] = []
    for fold, path in enumerate(fold_paths(network)):
        held_out = speakers_held_out(path)
        judge = Network.from_file(path)
        for example in examples:
            if example.speaker in held_out:
                output = judge.forward(example.given)
                folds.append(fold)
                variants.append(example.variant)
                evidence.append(gate_evidence(example.given, output))
                words.append(output.words)
                ratings.append(example.word_accuracy)
                if not example.variant:
                    phones.append(rated_phones(example, output, fold))
    return HeldOutPredictions(
        np.array(folds), np.array(variants), np.stack(evidence),
        np.concatenate(words), np.concatenate(ratings),
        np.repeat(folds, [len(scores) for scores in words]), joined(phones),
    )  # fmt: skip


def fold_paths(network: Path) -> list[Path]:
    """The networks of the folds beside the one that ships."""
    return sorted(network.parent.glob(f"{network.stem}-fold-*.npz"))


def speakers_held_out(path: Path) -> frozenset[str]:
    """Whom a fold's network, or the model made of it, never saw."""
    with np.load(path, allow_pickle=False) as archive:
        return frozenset(archive["held_out"].tolist())


def without(predictions: HeldOutPredictions, fold: int) -> HeldOutPredictions:
    """Leave out what one fold's network said."""
    kept, kept_words = predictions.fold != fold, predictions.word_fold != fold
    return HeldOutPredictions(
        fold=predictions.fold[kept],
        variant=predictions.variant[kept],
        evidence=predictions.evidence[kept],
        words=predictions.words[kept_words],
        ratings=predictions.ratings[kept_words],
        word_fold=predictions.word_fold[kept_words],
        phones=predictions.phones.of(predictions.phones.fold != fold),
    )
