"""How the stock will grow: what is added as lately, what ages out as promised (docs/adr/0061)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist, fmean, variance

import polars as pl

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.costs import BYTES_PER_GB
from schema.facts.costs import Crossing
from schema.states import UserTier

DAYS_TO_LEARN_FROM = 28  # whole weeks: learners practise less on some days of them
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
    """What one tier held and was given."""

    stock_bytes: Mapping[int, int]  # what is there, by the days ago on which it was said
    added_bytes: list[int]  # on each of the days to learn from that anything was measured on
    kept_days: int | None  # retention and grace; None: nobody knows, so nothing leaves


def forecast(
    daily: pl.DataFrame,
    cohorts: pl.DataFrame,
    *,
    today: date,
    horizon_days: int,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> pl.DataFrame:
    """Return the stock expected on each of the coming days, with an interval of 95 %.

    Args:
        daily: day, tier, added_bytes; a tier without a row on a day was given nothing.
        cohorts: What is there at the end of today: tier, said_days, bytes.
        today: The newest day.
        horizon_days: Days to look ahead.
        policy: How long each tier's audio is kept.

    Returns:
        day, expected_bytes, low_bytes, high_bytes; empty with under two days to learn from.
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
    """Return mean and variance of a tier's stock so many days from now.

    Of what is added from now on, `days` lots have come and those of the last `kept_days` are there.
    Their sum varies as they do, and because their mean is only an estimate.
    """
    lots = days if tier.kept_days is None else min(days, tier.kept_days)
    mean, spread = fmean(tier.added_bytes), variance(tier.added_bytes)
    uncertain = lots**2 * spread / len(tier.added_bytes)
    return _left(tier, days) + lots * mean, lots * spread + uncertain


def _left(tier: TierHistory, days: int) -> int:
    """Return what is left then of today's stock; what should be gone already is taken to stay."""
    stock = tier.stock_bytes
    leaving = range(0)
    if tier.kept_days is not None:
        leaving = range(max(0, tier.kept_days - days), tier.kept_days)
    return sum(size for ago, size in stock.items() if ago not in leaving)


def crossing(
    expected: pl.DataFrame, *, threshold_gb: float, stock_bytes: int, today: date
) -> Crossing:
    """Return when the stock reaches a threshold: today if it has, None if not within the forecast.

    Args:
        expected: As `forecast` returns it.
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
