"""Predictions for held-out speakers, on which gate, confidence and phone correction are fitted."""

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
    """Predictions for n examples by networks trained without their speakers.

    Attributes:
        fold: Fold of the network, shape (n,).
        variant: Variant of each example, shape (n,).
        evidence: Evidence for the gate, shape (n, evidence).
        words: Predicted scores of all words, end to end.
        ratings: The experts' scores of the same words.
        word_fold: Fold of the network, for each word.
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
    """Predict every example with the network of the fold that held out its speaker."""
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
    """Return the paths of the folds' networks, which are beside the shipped one."""
    return sorted(network.parent.glob(f"{network.stem}-fold-*.npz"))


def speakers_held_out(path: Path) -> frozenset[str]:
    """Return the speakers held out from a fold's network or model."""
    with np.load(path, allow_pickle=False) as archive:
        return frozenset(archive["held_out"].tolist())


def without(predictions: HeldOutPredictions, fold: int) -> HeldOutPredictions:
    """Return the predictions without those of one fold."""
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
