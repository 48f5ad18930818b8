"""Comparison of an engine's scores with the earlier ones of the same messages."""

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
    """Change of one score (0-100) over the same messages; deciles are of the differences."""

    messages: int
    mean_before: float
    mean_after: float
    median_shift: float
    lowest_decile: float
    highest_decile: float
    rank_correlation: float | None  # None: too few messages, or all scores equal

    @property
    def mean_shift(self) -> float:
        """Mean after minus mean before."""
        return self.mean_after - self.mean_before


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes of both scores."""

    accuracy: Change
    fluency: Change


def compare(rescored: Sequence[Rescored]) -> Comparison | None:
    """Compare scores before and after; None if there are none."""
    accuracy, fluency = (
        [one for one in rescored if one.score == score] for score in ("accuracy", "fluency")
    )
    if not (accuracy and fluency):
        return None
    return Comparison(_change(accuracy), _change(fluency))


def by_language(rescored: Sequence[Rescored]) -> dict[str, Comparison]:
    """Compare each language separately, in alphabetical order."""
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
    """Return the rank correlation (Spearman 1904); ties share their mean rank."""
    enough = len(before) >= LEAST_TO_CORRELATE
    if not enough or np.ptp(before) == 0 or np.ptp(after) == 0:
        return None
    frame = pl.DataFrame({"before": before, "after": after})
    return float(frame.select(pl.corr("before", "after", method="spearman")).item())
