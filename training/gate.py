"""Fit the gate of `speech/scores/gate.py` and validate it on held-out speakers."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech.scores.gate import CERTAIN, NAMES, Gate
from training.held_out import HeldOutPredictions, without
from training.mismatches import KINDS

Array = NDArray[np.float32]

# Shares of clean recordings with the right text, on training speakers; slightly more on others.
REFUSED, WARNED = 0.005, 0.04
PENALTY = 3.0
# Evidence of pace: it reveals partly said texts only because the learners of this corpus speak
# slowly, which others do not.
PACE = (
    "log_phones", "log_phones_per_spoken_second", "short_phones", "long_phones", "duration_mean",
    "duration_spread", "pause_share", "predicted_fluency", "predicted_accuracy", "heard_count",
    "inserted", "left_out",
)  # fmt: skip
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Detector:
    """One regression of the gate.

    Attributes:
        kinds: Indices into `KINDS` that it learns to detect.
        share: Its share of the false refusals.
        blind_to: Evidence that it must not use.
    """

    kinds: tuple[int, ...]
    share: float
    blind_to: tuple[str, ...] = ()


DETECTORS = (
    Detector((0, 1, 2), 0.5),  # something else
    Detector((3, 4, 5), 0.05),  # no speech
    Detector((6,), 0.1, PACE),  # less than the text
    Detector((7,), 0.1, PACE),  # more than the text
    Detector((8,), 0.25),  # something that sounds similar
)


def logistic(terms: Array, target: NDArray[np.bool_], penalty: float) -> tuple[Array, float]:
    """Fit a penalised logistic regression by Newton's method, with equally weighted classes."""
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


def fit_gate(right: HeldOutPredictions, wrong: HeldOutPredictions) -> Gate:
    """Fit on all given predictions."""
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


def refused(gate: Gate, predictions: HeldOutPredictions) -> NDArray[np.bool_]:
    """Return whether each recording is refused, shape (n,)."""
    return np.asarray(gate.mismatch(predictions.evidence) > CERTAIN)


def validate_gate(right: HeldOutPredictions, wrong: HeldOutPredictions) -> None:
    """Print the refusals, for each fold's speakers, of a gate fitted without them."""
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
