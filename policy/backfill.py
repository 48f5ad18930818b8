"""What a backfill takes, whether its first sample lets it go on, and what it changed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from policy.costs import BYTES_PER_GB, PriceBook
from schema.backfill import BackfillPlan, BackfillProgress, BackfillRequest, EngineRelease, Rescored
from schema.states import BackfillOutcome

# Where nothing was analysed lately, and so nothing measured: what the engine promises at least.
PROMISED_TIMES_REAL_TIME: Final = 60.0
# About what the large clouds ask for one core of a general-purpose machine on demand.
CPU_USD_PER_HOUR: Final = 0.05
# Of a first sample: more failures than this are no bad luck.
MOST_FAILED_PERCENT: Final = 10.0
WORST_SHOWN: Final = 10
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


def fingerprint(request: BackfillRequest, release: EngineRelease, reason: str) -> str:
    """Return what is the same for the same backfill only: SHA-256 in hexadecimal digits."""
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
    """Compare scores before and after; None if nothing has both."""
    if not rescored:
        return None
    frame = pl.DataFrame([asdict(one) for one in rescored])
    return Comparison(
        accuracy=_change(frame, "accuracy_before", "accuracy_after"),
        fluency=_change(frame, "fluency_before", "fluency_after"),
    )


def by_language(rescored: Sequence[Rescored]) -> dict[str, Comparison]:
    """Compare each language alone, in alphabetical order."""
    languages = sorted({one.language for one in rescored})
    compared = {
        language: compare([one for one in rescored if one.language == language])
        for language in languages
    }
    return {language: one for language, one in compared.items() if one is not None}


def _change(frame: pl.DataFrame, before: str, after: str) -> Change:
    shift = frame[after] - frame[before]
    correlation = None
    if len(frame) >= LEAST_TO_CORRELATE and frame[before].n_unique() > 1 < frame[after].n_unique():
        spearman = frame.select(pl.corr(before, after, method="spearman")).item()
        correlation = float(spearman)
    low, median, high = (float(shift.quantile(q, "linear") or 0.0) for q in (0.1, 0.5, 0.9))
    return Change(
        messages=len(frame),
        mean_before=float(frame[before].mean() or 0.0),  # type: ignore[arg-type]  # of integers
        mean_after=float(frame[after].mean() or 0.0),  # type: ignore[arg-type]
        median_shift=median,
        lowest_decile=low,
        highest_decile=high,
        rank_correlation=correlation,
    )


def most_changed(rescored: Sequence[Rescored]) -> list[Rescored]:
    """Return the ten messages whose accuracy changed most, the largest change first."""
    shifts = sorted(rescored, key=lambda one: -abs(one.accuracy_after - one.accuracy_before))
    return shifts[:WORST_SHOWN]


def objection(
    comparison: Comparison | None, sample: BackfillProgress, *, max_mean_shift: float
) -> str | None:
    """Say why a person must look at the first sample before the rest is analysed; None: no need.

    Args:
        comparison: Of the sample; None if nothing was there to compare with.
        sample: What became of it.
        max_mean_shift: Points that a mean score may move, up or down.
    """
    failed = sample.outcomes[BackfillOutcome.FAILED] + sample.outcomes[BackfillOutcome.QUARANTINED]
    tried = failed + sample.outcomes[BackfillOutcome.ANALYZED]
    if 100 * failed > MOST_FAILED_PERCENT * tried:
        return f"{failed} of the {tried} messages of the first sample could not be analysed"
    if comparison is None:
        return None
    for name, change in (("accuracy", comparison.accuracy), ("fluency", comparison.fluency)):
        if abs(change.mean_shift) > max_mean_shift:
            return (
                f"mean {name} moved by {change.mean_shift:+.1f} points over the "
                f"{change.messages} messages of the first sample, more than {max_mean_shift:g}"
            )
    return None
