"""What a backfill takes, whether its first sample lets it go on, and what it changed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from policy.costs import BYTES_PER_GB, PriceBook
from policy.instants import to_utc
from schema.facts.backfill import (
    BackfillPlan,
    BackfillProgress,
    BackfillRequest,
    EngineRelease,
    Rescored,
)
from schema.states import BackfillOutcome

# Where nothing was analysed lately, and so nothing measured: what the engine promises at least.
PROMISED_TIMES_REAL_TIME: Final = 60.0
# About what the large clouds ask for one core of a general-purpose machine on demand.
CPU_USD_PER_HOUR: Final = 0.05
# Of a first sample: more failures than this are no bad luck.
MOST_FAILED_PERCENT: Final = 10.0
MOST_CHANGED_SHOWN: Final = 10
LEAST_TO_CORRELATE: Final = 3
APPROVED_BY_POLICY: Final = "policy: the first sample changed little"


@dataclass(frozen=True, slots=True)
class BackfillEstimate:
    """What a backfill would take; `is_measured` is False if its pace is only promised."""

    messages: int
    audio_hours: float
    cpu_hours: float
    wall_hours: float
    cpu_usd: float
    reading_usd: float  # from the bucket: requests and transfer
    times_real_time: float  # of one core
    is_measured: bool


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


def normalised(request: BackfillRequest) -> BackfillRequest:
    """Say the same request in one way: instants in UTC, names sorted, `en-US` as `en`."""
    primary = {language.lower().partition("-")[0] for language in request.languages}
    return replace(
        request,
        start=request.start and to_utc(request.start),
        end=request.end and to_utc(request.end),
        languages=tuple(sorted(primary)),
        conversation_ids=tuple(sorted(set(request.conversation_ids))),
    )


def fingerprint(request: BackfillRequest, release: EngineRelease, reason: str) -> str:
    """Return what is the same for the same backfill only: SHA-256 in hexadecimal digits.

    Args:
        request: As `normalised` says it.
        release: The engine that analyses.
        reason: Why.
    """
    facts = {"request": asdict(request), "release": asdict(release), "reason": reason}
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()


def estimate(
    plan: BackfillPlan,
    *,
    limit: int | None,
    cores: int,
    times_real_time: float | None,
    prices: PriceBook,
) -> BackfillEstimate:
    """Estimate time and money.

    Args:
        plan: What would be analysed.
        limit: At most so many messages; the rest of the plan does not count.
        cores: That analyse at once.
        times_real_time: Seconds of audio that one core analysed in a second lately; None: nobody
            knows.
        prices: Of the bucket.
    """
    messages = plan.messages if limit is None else min(limit, plan.messages)
    share = messages / plan.messages if plan.messages else 0.0
    pace = times_real_time or PROMISED_TIMES_REAL_TIME
    audio_hours = share * plan.audio_seconds / 3600
    cpu_hours = audio_hours / pace
    return BackfillEstimate(
        messages=messages,
        audio_hours=audio_hours,
        cpu_hours=cpu_hours,
        wall_hours=cpu_hours / cores,
        cpu_usd=cpu_hours * CPU_USD_PER_HOUR,
        reading_usd=messages / 1000 * prices.read_usd_per_1000
        + share * plan.bytes / BYTES_PER_GB * prices.transfer_usd_per_gb,
        times_real_time=pace,
        is_measured=times_real_time is not None,
    )


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


def objection(
    comparison: Comparison | None, sample: BackfillProgress, broken: int, *, max_mean_shift: float
) -> str | None:
    """Say why a person must look at the first sample before the rest is analysed; None: no need.

    Args:
        comparison: Of the sample; None if nothing was there to compare with.
        sample: What became of it.
        broken: Analyses of it that break rules of data quality.
        max_mean_shift: Points that a mean score may move, up or down.
    """
    analysed = sample.outcomes[BackfillOutcome.ANALYZED]
    tried = sample.failed + analysed
    if 100 * sample.failed > MOST_FAILED_PERCENT * tried:
        return f"{sample.failed} of the {tried} messages of the first sample could not be analysed"
    if broken:
        return (
            f"{broken} of the {analysed} analyses of the first sample break rules of data quality"
        )
    if comparison is None:
        return None
    for name, change in (("accuracy", comparison.accuracy), ("fluency", comparison.fluency)):
        if abs(change.mean_shift) > max_mean_shift:
            return (
                f"mean {name} moved by {change.mean_shift:+.1f} points over the "
                f"{change.messages} messages of the first sample, more than {max_mean_shift:g}"
            )
    return None
