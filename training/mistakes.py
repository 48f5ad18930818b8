"""Fit the limits beyond which mistakes are named; see `speech/scores/mistakes.py`.

A substitution is right if the phone was faulty and the phone said instead is named rightly: its
precision is the product of those shares among rated phones and among miscues. For words that were
left out or added, one recording in ten is taken to have one.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.mistakes import MistakeLimits, is_sure
from training.gate import logistic
from training.mistake_cases import AllCases, Array, Cases, Flags

LEAST_PRECISION: Final = 0.75
MARGIN: Final = 0.03  # limits must reach more, so that they hold on other speakers
LEAST_CASES: Final = 30
NEVER: Final = -np.inf
MISTAKEN: Final = 0.015  # share of words left out, or preceded by others: in a tenth of recordings
PENALTY: Final = 3.0
_SHARES: Final = np.arange(0.2, 0.96, 0.05)
_SCORES: Final = np.arange(0.3, 2.0, 0.05)


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
    """Return the limits of score and share that name most with the least precision."""
    best, most = (NEVER, np.inf), LEAST_CASES - 1
    for share in _SHARES:
        naming = precision(named, named.evidence[:, 0] >= share)
        for score in _SCORES:
            flagged = is_sure(np.array((score, share)), *faulty.evidence.T)
            is_right = naming * precision(faulty, flagged) >= LEAST_PRECISION + MARGIN
            if is_right and flagged.sum() > most:
                best, most = (score, share), int(flagged.sum())
    return np.array(best, np.float32)


def _omission(words: Cases) -> NDArray[np.float32]:
    """Fit a logistic regression, with an intercept that reaches the least precision."""
    mean, spread = words.evidence.mean(axis=0), words.evidence.std(axis=0)
    slopes, _ = logistic((words.evidence - mean) / spread, words.right, PENALTY)
    slopes = slopes / spread
    return np.array([*slopes, -_least(words.evidence @ slopes, words)], np.float32)


def _least(scores: Array, cases: Cases) -> float:
    """Return the lowest score from which on the least precision is reached; infinite if none."""
    for limit in np.sort(scores[cases.right])[: -LEAST_CASES + 1]:
        if precision(cases, scores >= limit, MISTAKEN) >= LEAST_PRECISION + MARGIN:
            return float(limit)
    return np.inf


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


def validate_mistakes(cases: AllCases) -> None:
    """Print the precision of limits fitted without the speakers they are applied to."""
    limits = {int(fold): fit_limits(cases.without(fold)) for fold in np.unique(cases.phones.fold)}

    def flagged(kind: str, found: Cases, is_named: Callable[[Array, Array], Flags]) -> Flags:
        flags = np.zeros(len(found.fold), bool)
        for fold, limit in limits.items():
            flags[found.fold == fold] = is_named(
                getattr(limit, kind), found.evidence[found.fold == fold]
            )
        return flags

    mispronounced = flagged("faulty", cases.phones, lambda below, found: found[:, 0] < below)
    hits = (mispronounced & cases.phones.right).sum()
    f1 = 2 * hits / (mispronounced.sum() + cases.phones.right.sum())
    print(f"mispronounced phones: F1 {f1:.3f}")
    for kind, faulty, named in (
        ("substituted", cases.substituted, cases.named),
        ("deleted", cases.deleted, cases.named_deleted),
    ):
        sure = flagged(kind, faulty, lambda limit, found: is_sure(limit, *found.T))
        naming = precision(
            named, flagged(kind, named, lambda limit, found: found[:, 0] >= limit[1])
        )
        right = precision(faulty, sure)
        print(
            f"phones {kind}: {sure.sum()} of {len(cases.phones.right)}, faulty {right:.2f}, "
            f"named rightly {naming:.2f}, precision {right * naming:.2f}"
        )
    for kind, places, is_named in (
        ("omitted", cases.omitted, lambda limit, found: found @ limit[:-1] + limit[-1] > 0),
        ("inserted", cases.inserted, lambda limit, found: found[:, 0] >= limit),
    ):
        sure = flagged(kind, places, is_named)
        print(
            f"words {kind}: {100 * sure[places.right].mean():.0f} % of them, "
            f"{100 * sure[~places.right].mean():.2f} % of others, "
            f"precision {precision(places, sure, MISTAKEN):.2f}"
        )
