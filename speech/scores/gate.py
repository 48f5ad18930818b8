"""Check that the recording matches the text, before it gets a score.

An aligner finds any text in any sound. A wrong text shows in that neither the acoustic model of
native speech nor the encoder trained on learners recognises its phones where they were aligned,
and that speech is left over between the words. If only a part of the text was said, the phones of
the rest are hardly recognised.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.scores.goodness import NAMES as GOODNESS_NAMES
from speech.scores.hearing import NAMES as HEARING_NAMES
from speech.scores.hearing import free_evidence
from speech.scores.network import NetworkInput, NetworkOutput
from speech.scores.prosody import NAMES as PROSODY_NAMES
from speech.text.phones import PHONES, VOWELS

Array = NDArray[np.float32]

_LEAST: Final = 1e-4  # posterior
_VOICELESS: Final = frozenset({"CH", "F", "HH", "K", "P", "S", "SH", "T", "TH"})
_IS_VOWEL: Final = np.array([phone in VOWELS for phone in PHONES])
_IS_VOICELESS: Final = np.array([phone in _VOICELESS for phone in PHONES])
_FROM_GOODNESS: Final = ("in_context", "margin", "log_rank", "posterior", "frame_posterior", "said")
_FROM_PROSODY: Final = (
    "duration_mean", "duration_spread", "short_phones", "long_phones", "pause_share",
    "hesitations", "hesitation_share", "log_phones_per_spoken_second", "voiced_share",
    "unexplained",
)  # fmt: skip

NAMES: Final = (
    "heard_mean", "heard_low", "heard_middle", "heard_best", "heard_among_three",
    "heard_margin", "heard_by_frame", "not_silent", "speech_left_over", "doubt",
    "vowels_heard", "consonants_heard", "third_hardly_heard",
    *_FROM_GOODNESS, "in_context_low", "in_context_spread",
    *_FROM_PROSODY,
    "voiced_contrast", "energy_contrast", "predicted_accuracy", "predicted_fluency", "log_phones",
    *HEARING_NAMES,
)  # fmt: skip


# On the scale of `Gate.mismatch`.
POSSIBLE: Final = 0.0
CERTAIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Logistic regressions on evidence and its squares: each detects one kind of mismatch.

    Attributes:
        mean: Mean of each piece of evidence, shape (n,).
        spread: Standard deviation, likewise.
        weights: Shape (2 n, k), of the standardised evidence and of its squares, by regression.
        intercepts: Shape (k,). Log odds are shifted and scaled so that values above 0 call for a
            warning and values above 1 for a refusal.
    """

    mean: Array
    spread: Array
    weights: Array
    intercepts: Array

    def mismatch(self, evidence: Array) -> Array:
        """Return how far the recording departs from the text: the maximum of the regressions.

        Args:
            evidence: Shape (..., n).

        Returns:
            Shape (...): above `CERTAIN` the text is refused, above `POSSIBLE` a warning is due.
        """
        found: Array = self.terms(evidence) @ self.weights + self.intercepts
        return np.asarray(found.max(axis=-1))

    def terms(self, evidence: Array) -> Array:
        """Return standardised evidence and its squares, shape (..., 2 n)."""
        standard = np.clip((evidence - self.mean) / self.spread, -4, 4)
        return np.concatenate([standard, np.square(standard)], axis=-1)


def gate_evidence(given: NetworkInput, output: NetworkOutput) -> Array:
    """Gather the evidence for and against the text, shape (len(`NAMES`),)."""
    rows = np.arange(len(given.phones))
    by_phone = np.log(np.maximum(output.posteriors, _LEAST))
    own = by_phone[rows, given.phones]
    rank = (by_phone > own[:, None]).sum(axis=1)
    others = by_phone.copy()
    others[rows, given.phones] = -np.inf
    owner = np.full(len(given.frames), -1)
    for index, (start, end) in enumerate(given.segments.tolist()):
        owner[start:end] = index
    inside = owner >= 0
    own_by_frame = output.frame_posteriors[inside, given.phones[owner[inside]]]
    silence = output.frame_posteriors[:, -1]
    left_over = 1 - silence[~inside]
    entropy = -(output.posteriors * by_phone).sum(axis=1)
    vowel = _IS_VOWEL[given.phones]
    goodness = {name: given.goodness[:, GOODNESS_NAMES.index(name)] for name in GOODNESS_NAMES[:18]}
    return np.array(
        [
            own.mean(),
            np.quantile(own, 0.1),
            np.median(own),
            (rank == 0).mean(),
            (rank < 3).mean(),
            (own - others.max(axis=1)).mean(),
            np.log(np.maximum(own_by_frame, _LEAST)).mean(),
            (silence[inside] < 0.5).mean(),
            left_over.sum() / len(given.frames),
            entropy.mean(),
            _mean(own[vowel], own),
            _mean(own[~vowel], own),
            _lowest_third(own),
            *(goodness[name].mean() for name in _FROM_GOODNESS),
            np.quantile(goodness["in_context"], 0.1),
            goodness["in_context"].std(),
            *(given.utterance[PROSODY_NAMES.index(name)] for name in _FROM_PROSODY),
            _mean(goodness["periodicity"][~_IS_VOICELESS[given.phones]], goodness["periodicity"])
            - _mean(goodness["periodicity"][_IS_VOICELESS[given.phones]], goodness["periodicity"]),
            _mean(goodness["energy"][vowel], goodness["energy"])
            - _mean(goodness["energy"][~vowel], goodness["energy"]),
            output.utterance[0],
            output.utterance[1],
            np.log(len(given.phones)),
            *free_evidence(given, output),
        ],
        np.float32,
    )


def _lowest_third(values: Array) -> float:
    """Return the lowest mean over a third of the phones in a row, to detect unsaid parts."""
    width = max(1, len(values) // 3)
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
    return float((sums[width:] - sums[:-width]).min() / width)


def _mean(values: Array, otherwise: Array) -> float:
    return float(values.mean()) if len(values) else float(otherwise.mean())
