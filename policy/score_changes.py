"""How a new engine changed the scores of messages that an old one had scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schema.facts.backfill import Rescored

LEAST_TO_CORRELATE: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """How one score changed over the same messages, 0-100; deciles are of the differences."""

    messages: int
    mean_before: float
    mean_after: float
    median_shift: float
    lowest_decile: float
    highest_decile: float
    rank_correlation: float | None  # None: too few, or all the same

    @property
    def mean_shift(self) -> float:
        """After less before."""
        return self.mean_after - self.mean_before


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a new engine says of messages that an old one had scored."""

    accuracy: Change
    fluency: Change


def compare(rescored: Sequence[Rescored]) -> Comparison | None:
    """Compare scores before and after; None if there is none to compare."""
    accuracy, fluency = (
        [one for one in rescored if one.score == score] for score in ("accuracy", "fluency")
    )
    if not (accuracy and fluency):
        return None
    return Comparison(_change(accuracy), _change(fluency))


def by_language(rescored: Sequence[Rescored]) -> dict[str, Comparison]:
    """Compare each language alone, in alphabetical order."""
    languages = sorted({one.language for one in rescored})
    compared = {
        language: compare([one for one in rescored if one.language == language])
        for language in languages
    }
    return {language: one for language, one in compared.items() if one is not None}


def _change(rescored: Sequence[Rescored]) -> Change:
    counts = [one.messages for one in rescored]
    before = np.repeat(np.array([one.before for one in rescored], np.int8), counts)
    after = np.repeat(np.array([one.after for one in rescored], np.int8), counts)
    low, median, high = np.quantile(after - before, [0.1, 0.5, 0.9]).tolist()
    return Change(
        messages=len(before),
        mean_before=float(before.mean()),
        mean_after=float(after.mean()),
        median_shift=median,
        lowest_decile=low,
        highest_decile=high,
        rank_correlation=_spearman(before, after),
    )


def _spearman(before: NDArray[np.int8], after: NDArray[np.int8]) -> float | None:
    """Rank correlation (Spearman 1904), ties sharing their mean rank."""
    enough = len(before) >= LEAST_TO_CORRELATE
    if not enough or np.ptp(before) == 0 or np.ptp(after) == 0:
        return None
    frame = pl.DataFrame({"before": before, "after": after})
    return float(frame.select(pl.corr("before", "after", method="spearman")).item())
