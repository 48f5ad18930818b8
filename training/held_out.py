"""Predictions for held-out speakers, on which all but the network is fitted."""

from collections.abc import Iterable
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
        speaker: Shape (n,).
        evidence: Evidence for the gate, shape (n, evidence).
        utterances: Predicted accuracy, fluency, prosodic and total, 0 to 10, shape (n, 4).
        labels: The experts' means of the same scores.
        word_counts: Number of words, shape (n,).
        words: Predicted scores of all words, end to end.
        ratings: The experts' scores of the same words.
        word_fold: Fold of the network, for each word.
        phones: The rated phones of clean recordings.
    """

    fold: NDArray[np.int64]
    variant: NDArray[np.int64]
    speaker: NDArray[np.str_]
    evidence: Array
    utterances: Array
    labels: Array
    word_counts: NDArray[np.int64]
    words: Array
    ratings: Array
    word_fold: NDArray[np.int64]
    phones: HeldOutPhones


def predictions_of_folds(examples: Iterable[Example], network: Path) -> HeldOutPredictions:
    """Predict every example with the network of the fold that held out its speaker."""
    judge_of = judges(network)
    rows, evidence, utterances, words, ratings = [], [], [], [], []
    phones: list[HeldOutPhones] = []
    for example in examples:
        fold, judge = judge_of[example.speaker]
        output = judge.forward(example.given)
        rows.append((fold, example.variant, example.speaker, example.utterance))
        evidence.append(gate_evidence(example.given, output))
        utterances.append(output.utterance)
        words.append(output.words)
        ratings.append(example.word_accuracy)
        if not example.variant:
            phones.append(rated_phones(example, output, fold))
    folds, variants, speakers, labels = zip(*rows, strict=True)
    word_counts = [len(scores) for scores in words]
    return HeldOutPredictions(
        fold=np.array(folds),
        variant=np.array(variants),
        speaker=np.array(speakers),
        evidence=np.stack(evidence),
        utterances=np.stack(utterances),
        labels=np.stack(labels),
        word_counts=np.array(word_counts),
        words=np.concatenate(words),
        ratings=np.concatenate(ratings),
        word_fold=np.repeat(folds, word_counts),
        phones=joined(phones),
    )


def judges(network: Path) -> dict[str, tuple[int, Network]]:
    """Return by speaker the fold that held it out, and that fold's network."""
    return {
        speaker: (fold, judge)
        for fold, path in enumerate(fold_paths(network))
        for judge in [Network.from_file(path)]
        for speaker in speakers_held_out(path)
    }


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
        speaker=predictions.speaker[kept],
        evidence=predictions.evidence[kept],
        utterances=predictions.utterances[kept],
        labels=predictions.labels[kept],
        word_counts=predictions.word_counts[kept],
        words=predictions.words[kept_words],
        ratings=predictions.ratings[kept_words],
        word_fold=predictions.word_fold[kept_words],
        phones=predictions.phones.of(predictions.phones.fold != fold),
    )
