"""How the stock will grow: what is added as lately, what ages out as promised (docs/adr/0061)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist, fmean, variance

import polars as pl

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.costs import BYTES_PER_GB
from schema.costs import Crossing
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

    stock_bytes: int  # at the end of the newest day
    added_bytes: Mapping[int, int]  # by days ago; days that nobody measured are absent
    kept_days: int | None  # retention and grace; None: nobody knows, so nothing leaves


def forecast(
    daily: pl.DataFrame, *, today: date, horizon_days: int, policy: AudioPolicy = DEFAULT_POLICY
) -> pl.DataFrame:
    """Return the stock expected on each of the coming days, with an interval of 95 %.

    Args:
        daily: day, tier, bytes, added_bytes; nothing else is known to it.
        today: The newest day.
        horizon_days: Days to look ahead.
        policy: How long each tier's audio is kept.

    Returns:
        day, expected_bytes, low_bytes, high_bytes; empty with under two days to learn from.
    """
    tiers = [
        tier
        for (name,), days in daily.filter(pl.col("day") <= today).group_by("tier")
        if (tier := _history(str(name), days, today, policy)) is not None
    ]
    recent = {ago for tier in tiers for ago in tier.added_bytes if ago < DAYS_TO_LEARN_FROM}
    if len(recent) < 2:
        return pl.DataFrame(schema=FORECAST)
    rows = []
    for ahead in range(1, horizon_days + 1):
        means, variances = zip(*(_ahead(tier, ahead) for tier in tiers), strict=True)
        expected, margin = sum(means), _QUANTILE * sum(variances) ** 0.5
        day = today + timedelta(days=ahead)
        rows.append((day, expected, max(0.0, expected - margin), expected + margin))
    return pl.DataFrame(rows, FORECAST, orient="row")


def _history(name: str, days: pl.DataFrame, today: date, policy: AudioPolicy) -> TierHistory | None:
    newest = days.filter(pl.col("day") == today)
    if newest.is_empty():
        return None
    kept_days = None
    if name in set(UserTier):
        kept_days = policy.retention_days.of(UserTier(name)) + policy.cleanup.grace_period_days
    added = {(today - day).days: amount for day, amount in days.select("day", "added_bytes").rows()}
    return TierHistory(int(newest["bytes"].sum()), added, kept_days)


def _ahead(tier: TierHistory, days: int) -> tuple[float, float]:
    """Return mean and variance of a tier's stock so many days from now.

    Of what is added from now on, `days` lots have come and those of the last `kept_days` are there.
    Their sum varies as they do, and because their mean is only an estimate.
    """
    lots = days if tier.kept_days is None else min(days, tier.kept_days)
    lately = [amount for ago, amount in tier.added_bytes.items() if ago < DAYS_TO_LEARN_FROM]
    mean = fmean(lately) if lately else 0.0
    spread = variance(lately) if len(lately) > 1 else 0.0
    uncertain = lots**2 * spread / len(lately) if lately else 0.0
    return _left(tier, days) + lots * mean, lots * spread + uncertain


def _left(tier: TierHistory, days: int) -> int:
    """Return what is left then of today's stock; what should be gone already is taken to stay."""
    if tier.kept_days is None:
        return tier.stock_bytes
    leaving = range(max(0, tier.kept_days - days), tier.kept_days)
    return max(0, tier.stock_bytes - sum(tier.added_bytes.get(ago, 0) for ago in leaving))


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
