"""How well mispronounced phones are found: mean squared error, precision, recall and F1.

A phone is mispronounced if the experts' mean is below 0.5 of 2, which is from where on the corpus
counts a phone as wrong. This follows the papers on mispronunciation detection with speechocean762
(Ryu et al. 2023 and later), but they use the labels as released, and those here are of a version
before. It is found if its score is below the model's limit, which maximises F1 on speakers whom
its networks did not hear. What was said instead is not rated in this corpus.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.expert_agreement import Comparison
from training.mistake_cases import MISPRONOUNCED

_PER_POINT: Final = 50.0
_NAMES: Final = ("diagnosis_f1", "diagnosis_precision", "diagnosis_recall")


def diagnosis(compared: Sequence[Comparison]) -> dict[str, float | None]:
    """Return `phone_mse` on the experts' scale of 0 to 2, and how well faults are found.

    A figure is None if it is undefined: precision if nothing was found, recall without any fault.
    """
    if not compared:
        return dict.fromkeys(("phone_mse", *_NAMES))
    ours, rated = np.concatenate([one.means["phone"] for one in compared]).T
    found = np.concatenate([one.means["phone"][:, 0] < one.faulty_below for one in compared])
    faulty = rated < MISPRONOUNCED
    hits = int((found & faulty).sum())
    figures = (
        _ratio(2 * hits, int(found.sum() + faulty.sum())),
        _ratio(hits, int(found.sum())),
        _ratio(hits, int(faulty.sum())),
    )
    error = float(np.mean(np.square(ours / _PER_POINT - rated)))
    return {"phone_mse": round(error, 4), **dict(zip(_NAMES, figures, strict=True))}


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
