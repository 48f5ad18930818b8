"""Fit what decides upon a network's outputs, and write the model that ships.

    python -m training.calibrate FEATURES NETWORK --output speech/models/en.npz

FEATURES was filled by `training.measure` and `training.mismatches`; NETWORK and the networks of
its folds beside it were written by `training.train_scorer`. The gate, the confidence of words and
the line that mends phones are fitted on what each fold's network says of speakers that it never
saw: for the model that ships on all speakers, and for one model a fold without that fold's
speakers. The latter go into FEATURES'
subfolder `folds`, for validation: `benchmarks/pronunciation.py --folds` judges every speaker by
a model that knows nothing of him.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.scores.gate import CERTAIN, NAMES, Gate, gate_evidence
from speech.scores.model import ScoringModel
from speech.scores.network import Network
from speech.scores.scoring import WELL_SAID
from training.examples import Example, read_examples, save_arrays
from training.measure import Norms, read_norms
from training.mismatches import KINDS
from training.stacking import (
    HeardPhones,
    fit_stacking,
    joined,
    rated_phones,
    validate_stacking,
)

Array = NDArray[np.float32]

# Of learners who said the text, in clean recordings; of unknown ones somewhat more.
REFUSED, WARNED = 0.006, 0.04
PENALTY = 3.0
# Evidence of pace: it gives a text that was not said whole away only because these learners speak
# slowly, and others do not.
PACE = (
    "log_phones", "log_phones_per_spoken_second", "short_phones", "long_phones", "duration_mean",
    "duration_spread", "pause_share", "predicted_fluency", "predicted_accuracy",
)  # fmt: skip
NEWTON_STEPS = 30
CONFIDENCE_STEPS = 60


@dataclass(frozen=True)
class Detector:
    """One regression of the gate.

    Attributes:
        kinds: Of `KINDS`, which it learns to find.
        share: Of all refusals of learners who said the text.
        blind_to: Evidence that it may not use.
    """

    kinds: tuple[int, ...]
    share: float
    blind_to: tuple[str, ...] = ()


DETECTORS = (
    Detector((0, 1, 2, 3, 4, 5), 0.8),  # something else
    Detector((6,), 0.1, PACE),  # less than the text
    Detector((7,), 0.1, PACE),  # more than the text
)


@dataclass(frozen=True)
class Heard:
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
    phones: HeardPhones


def heard_by_folds(examples: Sequence[Example], network: Path) -> Heard:
    """Have every example judged by the network of the fold in which its speaker was held out."""
    folds, variants, evidence, words, ratings = [], [], [], [], []
    phones: list[HeardPhones] = []
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
    return Heard(
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


def logistic(terms: Array, target: NDArray[np.bool_], penalty: float) -> tuple[Array, float]:
    """Penalised logistic regression by Newton's method, both classes weighing the same."""
    columns = np.column_stack([np.ones(len(terms)), terms.astype(np.float64)])
    share = target.mean()
    weight = np.where(target, 0.5 / share, 0.5 / (1 - share))
    ridge = np.diag([0.0] + [penalty] * terms.shape[1])
    solution = np.zeros(columns.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(columns @ solution, -30, 30)))
        gradient = columns.T @ (weight * (target - probability)) - ridge @ solution
        slope = weight * np.maximum(probability * (1 - probability), 1e-6)
        solution += np.linalg.solve((columns.T * slope) @ columns + ridge, gradient)
    return solution[1:].astype(np.float32), float(solution[0])


def fit_gate(right: Heard, wrong: Heard) -> Gate:
    """Fit on all that is given."""
    mean, spread = right.evidence.mean(axis=0), np.maximum(right.evidence.std(axis=0), 1e-3)
    blank = Gate(mean, spread, np.zeros((2 * len(mean), 1), np.float32), np.zeros(1, np.float32))
    right_terms, wrong_terms = blank.terms(right.evidence), blank.terms(wrong.evidence)
    weights, intercepts = [], []
    for detector in DETECTORS:
        seen = np.tile([name not in detector.blind_to for name in NAMES], 2)
        terms = seen * np.concatenate(
            [right_terms, wrong_terms[np.isin(wrong.variant, detector.kinds)]]
        )
        is_wrong = np.arange(len(terms)) >= len(right_terms)
        slope, intercept = logistic(terms, is_wrong, PENALTY)
        clean = (terms[: len(right_terms)] @ slope + intercept)[right.variant == 0]
        possible, certain = np.quantile(
            clean, [1 - WARNED * detector.share, 1 - REFUSED * detector.share]
        )
        weights.append(slope / (certain - possible))
        intercepts.append((intercept - possible) / (certain - possible))
    return replace(
        blank,
        weights=np.column_stack(weights).astype(np.float32),
        intercepts=np.array(intercepts, np.float32),
    )


def refused(gate: Gate, heard: Heard) -> NDArray[np.bool_]:
    """Shape (n,)."""
    return np.asarray(gate.mismatch(heard.evidence) > CERTAIN)


def validate_gate(right: Heard, wrong: Heard) -> None:
    """Print what a gate fitted without a fold's speakers does for them."""
    refused_right = np.empty(len(right.fold), bool)
    refused_wrong = np.empty(len(wrong.fold), bool)
    for fold in np.unique(right.fold):
        gate = fit_gate(without(right, fold), without(wrong, fold))
        refused_right[right.fold == fold] = refused(gate, right)[right.fold == fold]
        refused_wrong[wrong.fold == fold] = refused(gate, wrong)[wrong.fold == fold]
    for variant in np.unique(right.variant):
        share = 100 * refused_right[right.variant == variant].mean()
        print(f"refused {share:6.2f} % of the right texts, variant {variant}")
    for kind, name in enumerate(KINDS):
        share = 100 * refused_wrong[wrong.variant == kind].mean()
        print(f"refused {share:6.2f} % of: {name}")


def without(heard: Heard, fold: int) -> Heard:
    """Leave out what one fold's network said."""
    kept, kept_words = heard.fold != fold, heard.word_fold != fold
    return Heard(
        heard.fold[kept], heard.variant[kept], heard.evidence[kept],
        heard.words[kept_words], heard.ratings[kept_words], heard.word_fold[kept_words],
        heard.phones.of(heard.phones.fold != fold),
    )  # fmt: skip


def fit_confidence(heard: Heard) -> Array:
    """How many words of a score are well said: shape (2, n), scores and shares, ascending.

    A mean over equally many words each, made monotone by pooling what would fall (isotonic
    regression, Ayer et al. 1955).
    """
    order = np.argsort(heard.words, kind="stable")
    pools: list[tuple[float, float, int]] = []  # sums of scores and of well said words, count
    for part in np.array_split(order, CONFIDENCE_STEPS):
        pool = (
            float(heard.words[part].sum()),
            float((heard.ratings[part] >= WELL_SAID).sum()),
            len(part),
        )
        while pools and pools[-1][1] / pools[-1][2] >= pool[1] / pool[2]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    steps = np.array(pools).T
    return np.asarray(steps[:2] / steps[2], np.float32)


def fitted(network: Network, norms: Norms, right: Heard, wrong: Heard) -> ScoringModel:
    """Add to a network what decides upon its outputs."""
    return ScoringModel(
        network, fit_stacking(right.phones), norms, fit_gate(right, wrong), fit_confidence(right)
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args(argv)
    right = heard_by_folds(read_examples(arguments.features), arguments.network)
    wrong = heard_by_folds(read_examples(arguments.features / "mismatches"), arguments.network)
    validate_gate(right, wrong)
    validate_stacking(right.phones)
    norms = read_norms(arguments.features)
    folds = arguments.features / "folds"
    folds.mkdir(exist_ok=True)
    for fold, path in enumerate(fold_paths(arguments.network)):
        model = fitted(Network.from_file(path), norms, without(right, fold), without(wrong, fold))
        held_out = np.array(sorted(speakers_held_out(path)))
        save_arrays(folds / f"{fold}.npz", model.arrays() | {"held_out": held_out})
    model = fitted(Network.from_file(arguments.network), norms, right, wrong)
    save_arrays(arguments.output, model.arrays())
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
