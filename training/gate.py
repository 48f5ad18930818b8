"""Fit the gate of `speech/scores/gate.py` and validate it on held-out speakers."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech.scores.gate import CERTAIN, NAMES, POSSIBLE, Gate
from training.held_out import HeldOutPredictions, without
from training.mismatches import KINDS

Array = NDArray[np.float32]

# At most these shares of clean recordings with the right text, of speakers not fitted on.
REFUSED, WARNED = 0.0075, 0.04
PENALTY = 3.0
# Evidence of pace: it reveals partly said texts only because the learners of this corpus speak
# slowly, which others do not.
PACE = (
    "log_phones", "log_phones_per_spoken_second", "short_phones", "long_phones", "duration_mean",
    "duration_spread", "pause_share", "predicted_fluency", "predicted_accuracy", "heard_count",
    "inserted", "left_out",
)  # fmt: skip
NEWTON_STEPS, CONVERGED = 30, 1e-4
MOST_IN_COMMON = 4.0


@dataclass(frozen=True)
class Detector:
    """One regression of the gate.

    Attributes:
        kinds: Indices into `KINDS` that it learns to detect.
        share: Its share of the false refusals.
        blind_to: Evidence that it must not use.
        is_linear: Whether it must not use squares. By squares, speech that is clearer than any
            learner's is as unusual as noise.
    """

    kinds: tuple[int, ...]
    share: float
    blind_to: tuple[str, ...] = ()
    is_linear: bool = False


DETECTORS = (
    Detector((0, 1, 2), 0.4),  # something else
    Detector((3, 4, 5), 0.05, is_linear=True),  # no speech
    Detector((6,), 0.2, PACE),  # less than the text
    Detector((7,), 0.15, PACE),  # more than the text
    Detector((8,), 0.2),  # something that sounds similar
)


def logistic(terms: Array, target: NDArray[np.bool_], penalty: float) -> Array:
    """Fit a penalised logistic regression by Newton's method, with equally weighted classes.

    Returns:
        The slopes; the intercept does not matter to the gate.
    """
    columns = np.column_stack([np.ones(len(terms)), terms.astype(np.float64)])
    share = target.mean()
    weight = np.where(target, 0.5 / share, 0.5 / (1 - share))
    ridge = np.diag([0.0] + [penalty] * terms.shape[1])
    solution = np.zeros(columns.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(columns @ solution, -30, 30)))
        gradient = columns.T @ (weight * (target - probability)) - ridge @ solution
        slope = weight * np.maximum(probability * (1 - probability), 1e-6)
        step = np.linalg.solve((columns.T * slope) @ columns + ridge, gradient)
        solution += step
        if np.abs(step).max() < CONVERGED:
            break
    return solution[1:].astype(np.float32)


def fit_gate(right: HeldOutPredictions, wrong: HeldOutPredictions) -> Gate:
    """Fit on all given predictions.

    A regression fits the speakers that it was fitted on better than others. Limits are therefore
    set on scores of each fold's speakers by a regression that was fitted without them.
    """
    mean, spread = right.evidence.mean(axis=0), np.maximum(right.evidence.std(axis=0), 1e-3)
    blank = Gate(mean, spread, np.zeros((2 * len(mean), 1), np.float32), np.zeros(1, np.float32))
    right_terms, wrong_terms = blank.terms(right.evidence), blank.terms(wrong.evidence)
    clean = right.variant == 0
    slopes, offsets, unseen = [], [], []
    for detector in DETECTORS:
        visible = np.array([name not in detector.blind_to for name in NAMES])
        seen = np.append(visible, visible & (not detector.is_linear))
        chosen = np.isin(wrong.variant, detector.kinds)
        good, bad = seen * right_terms, seen * wrong_terms[chosen]
        scores = np.empty(len(good))
        for fold in np.unique(right.fold):
            kept = right.fold != fold
            slope, offset = _regression(good[kept], clean[kept], bad[wrong.fold[chosen] != fold])
            scores[~kept] = good[~kept] @ slope + offset
        unseen.append(scores[clean])
        slope, offset = _regression(good, clean, bad)
        slopes.append(slope)
        offsets.append(offset)
    possible, certain = (_limits(np.column_stack(unseen), share) for share in (WARNED, REFUSED))
    scale = certain - possible
    return replace(
        blank,
        weights=(np.column_stack(slopes) / scale).astype(np.float32),
        intercepts=((np.array(offsets) - possible) / scale).astype(np.float32),
    )


def _limits(scores: Array, allowed: float) -> Array:
    """Return a limit for each detector; the allowed share of recordings exceeds at least one.

    The more recordings exceed several, the more each detector may have.
    """
    shares = np.array([detector.share for detector in DETECTORS])
    for factor in np.arange(MOST_IN_COMMON, 1, -0.05):
        ranks = 1 - factor * allowed * shares
        limits = np.array([np.quantile(*pair) for pair in zip(scores.T, ranks, strict=True)])
        if (scores > limits).any(axis=1).mean() <= allowed:
            break
    return limits


def _regression(good: Array, clean: NDArray[np.bool_], bad: Array) -> tuple[Array, float]:
    """Return slopes and offset of scores with mean 0 and deviation 1 over clean recordings."""
    terms = np.concatenate([good, bad])
    slopes = logistic(terms, np.arange(len(terms)) >= len(good), PENALTY)
    scores = good[clean] @ slopes
    spread = float(scores.std())
    return slopes / spread, -float(scores.mean()) / spread


def validate_gate(right: HeldOutPredictions, wrong: HeldOutPredictions) -> None:
    """Print refusals and doubts, for each fold's speakers, of a gate fitted without them."""
    of_right = np.empty(len(right.fold), np.float32)
    of_wrong = np.empty(len(wrong.fold), np.float32)
    for fold in np.unique(right.fold):
        gate = fit_gate(without(right, fold), without(wrong, fold))
        of_right[right.fold == fold] = gate.mismatch(right.evidence[right.fold == fold])
        of_wrong[wrong.fold == fold] = gate.mismatch(wrong.evidence[wrong.fold == fold])
    for variant in np.unique(right.variant):
        print(f"{_shares(of_right[right.variant == variant])}: the right text, variant {variant}")
    for kind, name in enumerate(KINDS):
        print(f"{_shares(of_wrong[wrong.variant == kind])}: {name}")


def _shares(mismatch: Array) -> str:
    refused, doubted = (100 * np.mean(mismatch > limit) for limit in (CERTAIN, POSSIBLE))
    return f"refused {refused:6.2f} %, refused or doubted {doubted:6.2f} %"
