"""Forecast of the stored volume: recent growth, minus what retention deletes (docs/adr/0061)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist, fmean, variance

import polars as pl

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.costs import BYTES_PER_GB
from schema.facts.costs import Crossing
from schema.states import UserTier

DAYS_TO_LEARN_FROM = 28  # whole weeks, because learners practise less on some weekdays
CONFIDENCE = 0.95
FORECAST = {
    "day": pl.Date,
    "expected_bytes": pl.Float64,
    "low_bytes": pl.Float64,
    "high_bytes": pl.Float64,
}
_QUANTILE = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class TierHistory:
    """Stored volume and recent growth of one tier."""

    stock_bytes: Mapping[int, int]  # stored now, by age in days
    added_bytes: list[int]  # per measured day of the last `DAYS_TO_LEARN_FROM`
    kept_days: int | None  # retention and grace; None: unknown, so nothing is deleted


def forecast(
    daily: pl.DataFrame,
    cohorts: pl.DataFrame,
    *,
    today: date,
    horizon_days: int,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> pl.DataFrame:
    """Return the stored volume expected on each of the coming days, with a 95 % interval.

    Args:
        daily: day, tier, added_bytes; a missing row means that nothing was added.
        cohorts: Stored at the end of today: tier, said_days, bytes.
        today: The newest day.
        horizon_days: Days to forecast.
        policy: Retention periods.

    Returns:
        day, expected_bytes, low_bytes, high_bytes; empty if fewer than two days were measured.
    """
    since = today - timedelta(days=DAYS_TO_LEARN_FROM)
    recent = daily.filter((pl.col("day") > since) & (pl.col("day") <= today))
    measured = recent.select(pl.col("day").unique())
    if len(measured) < 2:
        return pl.DataFrame(schema=FORECAST)
    tiers = [
        _history(name, measured, recent, cohorts, policy)
        for name in sorted({*recent["tier"], *cohorts["tier"]})
    ]
    rows = []
    for ahead in range(1, horizon_days + 1):
        means, variances = zip(*(_ahead(tier, ahead) for tier in tiers), strict=True)
        expected, margin = sum(means), _QUANTILE * sum(variances) ** 0.5
        day = today + timedelta(days=ahead)
        rows.append((day, expected, max(0.0, expected - margin), expected + margin))
    return pl.DataFrame(rows, FORECAST, orient="row")


def _history(
    name: str,
    measured: pl.DataFrame,
    recent: pl.DataFrame,
    cohorts: pl.DataFrame,
    policy: AudioPolicy,
) -> TierHistory:
    kept_days = None
    if name in set(UserTier):
        kept_days = policy.retention_days.of(UserTier(name)) + policy.cleanup.grace_period_days
    added = measured.join(recent.filter(tier=name), on="day", how="left")["added_bytes"]
    stock = dict(cohorts.filter(tier=name).select("said_days", "bytes").iter_rows())
    return TierHistory(stock, added.fill_null(0).to_list(), kept_days)


def _ahead(tier: TierHistory, days: int) -> tuple[float, float]:
    """Return mean and variance of a tier's stored volume so many days from now.

    By then `days` new days of audio were added, of which the last `kept_days` are still stored. The
    variance of their sum comes from the days themselves, and from the uncertainty of their mean.
    """
    kept = days if tier.kept_days is None else min(days, tier.kept_days)
    mean, spread = fmean(tier.added_bytes), variance(tier.added_bytes)
    uncertainty = kept**2 * spread / len(tier.added_bytes)
    return _left(tier, days) + kept * mean, kept * spread + uncertainty


def _left(tier: TierHistory, days: int) -> int:
    """Return the bytes of today's volume still stored then; overdue audio is assumed to stay."""
    stock = tier.stock_bytes
    leaving = range(0)
    if tier.kept_days is not None:
        leaving = range(max(0, tier.kept_days - days), tier.kept_days)
    return sum(size for ago, size in stock.items() if ago not in leaving)


def crossing(
    expected: pl.DataFrame, *, threshold_gb: float, stock_bytes: int, today: date
) -> Crossing:
    """Return when the stored volume reaches a threshold.

    Today if it already has; None if not within the forecast.

    Args:
        expected: As returned by `forecast`.
        threshold_gb: In GB of 1024³ bytes.
        stock_bytes: At the end of today.
        today: The newest day.
    """
    threshold = threshold_gb * BYTES_PER_GB
    if stock_bytes >= threshold:
        return Crossing(threshold_gb, expected=today, earliest=today, latest=today)

    def first(column: str) -> date | None:
        days = expected.filter(pl.col(column) >= threshold)["day"]
        return None if days.is_empty() else days.to_list()[0]

    return Crossing(threshold_gb, first("expected_bytes"), first("high_bytes"), first("low_bytes"))
