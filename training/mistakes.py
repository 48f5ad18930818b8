"""Fit the limits beyond which mistakes are named; see `speech/scores/mistakes.py`.

A substitution is right if the phone was faulty and the phone said instead is named rightly: its
precision is the product of those shares among rated phones and among miscues. For words that were
left out or added, one recording in ten is taken to have one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.mistakes import OMISSION_NAMES, MistakeLimits, is_sure
from training.gate import logistic
from training.mistake_cases import AllCases, Array, Cases, Flags

LEAST_PRECISION: Final = 0.75
MARGIN: Final = 0.06  # limits must reach more, so that they hold on other speakers
LEAST_CASES: Final = 30
MISTAKEN: Final = 0.015  # share of words left out, or preceded by others: in a tenth of recordings
PENALTY: Final = 3.0
_NEVER: Final = MistakeLimits(
    faulty=np.array(0, np.float32),
    substituted=np.array([np.inf, np.inf], np.float32),
    deleted=np.array([np.inf, np.inf], np.float32),
    omitted=np.array([*[0] * len(OMISSION_NAMES), -np.inf], np.float32),
    inserted=np.array(np.inf, np.float32),
)
_SHARES: Final = np.arange(0.2, 0.96, 0.05)
_WRONG: Final = np.arange(0.3, 0.98, 0.02)


def fit_limits(cases: AllCases) -> MistakeLimits:
    """Fit the limits of every kind."""
    return MistakeLimits(
        faulty=np.array(_best_f1(cases.phones), np.float32),
        substituted=_phone_limits(cases.substituted, cases.named),
        deleted=_phone_limits(cases.deleted, cases.named_deleted),
        omitted=_omission(cases.omitted),
        inserted=np.array(_least(cases.inserted.evidence[:, 0], cases.inserted), np.float32),
    )


def _best_f1(phones: Cases) -> float:
    """Return the score below which calling all phones mispronounced has the highest F1."""
    scores = phones.evidence[:, 0]
    order = np.argsort(scores, kind="stable")
    hits = np.cumsum(phones.right[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + phones.right.sum())
    return float(np.nextafter(scores[order[f1.argmax()]], np.inf))


def _phone_limits(faulty: Cases, named: Cases) -> NDArray[np.float32]:
    """Return the limits of probability and share that name most with the least precision."""
    best, most = (np.inf, np.inf), LEAST_CASES - 1
    for share in _SHARES:
        naming = precision(named, named.evidence[:, 0] >= share)
        for wrong in _WRONG:
            flagged = is_sure(np.array((wrong, share)), *faulty.evidence.T)
            is_right = naming * precision(faulty, flagged) >= LEAST_PRECISION + MARGIN
            if is_right and flagged.sum() > most:
                best, most = (wrong, share), int(flagged.sum())
    return np.array(best, np.float32)


def _omission(words: Cases) -> NDArray[np.float32]:
    """Fit a logistic regression, with an intercept that reaches the least precision."""
    mean, spread = words.evidence.mean(axis=0), words.evidence.std(axis=0)
    slopes = logistic((words.evidence - mean) / spread, words.right, PENALTY)
    slopes = slopes / spread
    return np.array([*slopes, -_least(words.evidence @ slopes, words)], np.float32)


def _least(scores: Array, cases: Cases) -> float:
    """Return the lowest score down to which the least precision holds; infinite if it never does.

    It must hold at every higher one too, lest a limit is chosen that fits by chance.
    """
    least = np.inf
    for limit in np.sort(scores[cases.right])[::-1][LEAST_CASES - 1 :]:
        if precision(cases, scores >= limit, MISTAKEN) < LEAST_PRECISION + MARGIN:
            break
        least = float(limit)
    return least


def precision(cases: Cases, flagged: Flags, mistaken: float | None = None) -> float:
    """Return the share of the flagged cases that are right; 0 if none are flagged.

    Args:
        cases: The cases.
        flagged: Which of them are named.
        mistaken: Share of right cases to assume; default: as `cases.weight` has it.
    """
    right, wrong = (cases.weight * (cases.right == value) for value in (True, False))
    if mistaken is not None:
        right, wrong = mistaken * right / right.sum(), (1 - mistaken) * wrong / wrong.sum()
    hits, misses = right[flagged].sum(), wrong[flagged].sum()
    return float(hits / (hits + misses)) if hits + misses else 0.0


@dataclass(frozen=True)
class Measured:
    """How a kind of mistake is named by limits fitted without the speakers they are applied to."""

    kind: str
    named: int
    precision: float
    details: str


def measured(cases: AllCases) -> list[Measured]:
    """Measure every kind over all folds."""
    limits = {int(fold): fit_limits(cases.without(fold)) for fold in np.unique(cases.phones.fold)}

    def flagged(kind: str, found: Cases, is_named: Callable[[Array, Array], Flags]) -> Flags:
        flags = np.zeros(len(found.fold), bool)
        for fold, limit in limits.items():
            own = found.fold == fold
            flags[own] = is_named(getattr(limit, kind), found.evidence[own])
        return flags

    results = []
    for kind, faulty, named in (
        ("substituted", cases.substituted, cases.named),
        ("deleted", cases.deleted, cases.named_deleted),
    ):
        sure = flagged(kind, faulty, lambda limit, found: is_sure(limit, *found.T))
        is_likely = flagged(kind, named, lambda limit, found: found[:, 0] >= limit[1])
        right, naming = precision(faulty, sure), precision(named, is_likely)
        details = f"{right:.2f} faulty, {naming:.2f} named rightly"
        results.append(Measured(kind, int(sure.sum()), right * naming, details))
    for kind, places, is_beyond in (
        ("omitted", cases.omitted, lambda limit, found: found @ limit[:-1] + limit[-1] > 0),
        ("inserted", cases.inserted, lambda limit, found: found[:, 0] >= limit),
    ):
        sure = flagged(kind, places, is_beyond)
        details = (
            f"{sure[places.right].mean():.2f} of them, {sure[~places.right].mean():.4f} of others"
        )
        results.append(Measured(kind, int(sure.sum()), precision(places, sure, MISTAKEN), details))
    return results


def proven_limits(cases: AllCases) -> MistakeLimits:
    """Fit limits, and name no kind that falls short of the least precision on other speakers."""
    limits = fit_limits(cases)
    failed = [one.kind for one in measured(cases) if one.precision < LEAST_PRECISION]
    return replace(limits, **{kind: getattr(_NEVER, kind) for kind in failed})


def validate_mistakes(cases: AllCases) -> None:
    """Print the precision of every kind on speakers whom neither network nor limits know."""
    scores, right = cases.phones.evidence[:, 0], cases.phones.right
    named = np.zeros(len(scores), bool)
    for fold in np.unique(cases.phones.fold):
        own = cases.phones.fold == fold
        named[own] = scores[own] < _best_f1(cases.without(fold).phones)
    f1 = 2 * (named & right).sum() / (named.sum() + right.sum())
    print(f"phones mispronounced: F1 {f1:.3f}")
    for one in measured(cases):
        print(f"{one.kind}: {one.named} named, precision {one.precision:.2f} ({one.details})")
