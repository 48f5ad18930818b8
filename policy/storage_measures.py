"""Tables of stored audio by tier, language, format, age and day, from groups of all audio ever.

Frames are polars. Days count back from the measurement: day 0 is the 24 hours before it
(docs/adr/0060).
"""

from datetime import date, datetime, timedelta

import polars as pl

from policy.costs import PriceBook, storage_usd_month
from policy.retention import owner_tier
from schema.states import StorageMeasure as Measure
from schema.states import UserTier

UNKNOWN = "unknown"  # a tier that the policy does not know, or a format that is not stated
DAILY = (
    Measure.BYTES,
    Measure.ADDED_BYTES,
    Measure.DELETED_BYTES,
    Measure.ADDED_OBJECTS,
    Measure.DELETED_OBJECTS,
)
MS_PER_MINUTE = 60_000

# First day and name of each age band.
_AGES = (
    (0, "0-7 days"),
    (8, "8-30 days"),
    (31, "31-90 days"),
    (91, "91-365 days"),
    (366, "> 365 days"),
)
_OWNER = ("system", "has_user", "current_tier")  # these determine a recording's tier
_LIVE = pl.col("deleted_days").is_null()
_SUMS = [pl.col(name).sum() for name in ("objects", "bytes", "audio_ms", "unsized")]


def with_tiers(stock: pl.DataFrame) -> pl.DataFrame:
    """Return the groups with a `tier` in place of the columns that determine it.

    Args:
        stock: Groups with `system`, `has_user`, `current_tier` of the learner's newest
            subscription; `language`, `format`, `said_days`, `deleted_days`, `in_grace`,
            `objects`, `bytes`, `audio_ms`, `unsized`.
    """
    owners = stock.select(_OWNER).unique()
    tiers = [_tier(*owner) for owner in owners.iter_rows()]
    known = owners.with_columns(tier=pl.Series(tiers, dtype=pl.String))
    return (
        stock.join(known, on=_OWNER, nulls_equal=True)
        .drop(_OWNER)
        .with_columns(
            pl.col("format").fill_null(UNKNOWN),
            # Deleted before it was added: written by a machine with a wrong clock.
            deleted_days=pl.when(~_LIVE).then(pl.min_horizontal("deleted_days", "said_days")),
        )
    )


def _tier(system: bool, has_user: bool, current_tier: str | None) -> str:
    role = UserTier.SYSTEM.value if system else "user"
    tier = owner_tier(role, has_user=has_user, current_tier=current_tier)
    return UNKNOWN if tier is None else tier.value


def by_group(stock: pl.DataFrame, column: str, prices: PriceBook) -> pl.DataFrame:
    """Return what is stored now by `tier`, `language` or `format`, most bytes first.

    Returns:
        group, objects, bytes, audio_minutes, storage_usd_month.
    """
    groups = stock.filter(_LIVE).group_by(pl.col(column).alias("group")).agg(_SUMS)
    return _priced(groups, prices).sort("bytes", "group", descending=[True, False])


def by_age(stock: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    """Return what is stored now by age, youngest first; columns as in `by_group`."""
    band = pl.sum_horizontal(pl.col("said_days") >= start for start, _ in _AGES) - 1
    groups = stock.filter(_LIVE).group_by(band.alias("band")).agg(_SUMS).sort("band")
    names = {number: name for number, (_, name) in enumerate(_AGES)}
    group = pl.col("band").replace_strict(names, return_dtype=pl.String)
    return _priced(groups.with_columns(group=group), prices)


def cohorts(stock: pl.DataFrame) -> pl.DataFrame:
    """Return the bytes stored now by tier and age: tier, said_days, bytes."""
    return stock.filter(_LIVE).group_by("tier", "said_days").agg(pl.col("bytes").sum())


def _priced(groups: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    return groups.select(
        "group",
        "objects",
        "bytes",
        audio_minutes=pl.col("audio_ms") / MS_PER_MINUTE,
        storage_usd_month=pl.col("bytes") * storage_usd_month(1, prices),
    )


def daily_measures(
    stock: pl.DataFrame, gone: pl.DataFrame, *, as_of: datetime, horizon_days: int
) -> pl.DataFrame:
    """Return all measures by day and tier, back to the first audio.

    Args:
        stock: As returned by `with_tiers`.
        gone: Deleted objects whose size no message states: tier, said_days (null if there is
            no message at all), deleted_days, by_retention, objects, bytes.
        as_of: Time of the measurement, UTC; its date is the newest day.
        horizon_days: Maximum number of days back; less than the days distinguished in `stock`.

    Returns:
        day, tier, measure, value. Grace is measured only for the newest day: for earlier days, the
        data no longer shows whose retention was over then.
    """
    stock, gone = _known_and_lost(stock, gone)
    days_ago = _days_with_audio(stock, gone)
    tiers = sorted({*(tier.value for tier in UserTier), *stock["tier"], *gone["tier"]})
    grid = pl.DataFrame({"tier": tiers}).join(days_ago, how="cross")
    said = _sums_by_day(stock, "said_days", "said_")
    deleted = _sums_by_day(stock.filter(~_LIVE), "deleted_days", "deleted_")
    lost = gone.group_by("tier", days_ago="deleted_days").agg(
        gone_objects=pl.col("objects").sum(), gone_bytes=pl.col("bytes").sum()
    )
    avoided = (
        pl.concat([stock, gone], how="diagonal")
        .filter(~_LIVE & pl.col("by_retention"))
        .group_by("tier", days_ago="deleted_days")
        .agg(avoided_bytes=pl.col("bytes").sum())
    )
    grace = (
        stock.filter(pl.col("in_grace"))
        .group_by("tier")
        .agg(grace_bytes=pl.col("bytes").sum())
        .with_columns(days_ago=pl.lit(0, pl.Int32))
    )
    days = grid
    for part in (said, deleted, lost, avoided, grace):
        days = days.join(part, on=["tier", "days_ago"], how="left")
    days = days.fill_null(0).sort("tier", "days_ago", descending=[False, True])
    return (
        days.select("tier", "days_ago", **_measures())
        .filter(pl.col("days_ago") <= horizon_days)
        .unpivot(index=["tier", "days_ago"], variable_name="measure", value_name="value")
        .filter((pl.col("measure") != Measure.GRACE_BYTES) | (pl.col("days_ago") == 0))
        .select(
            day=pl.lit(as_of.date()) - pl.duration(days=pl.col("days_ago")),
            tier="tier",
            measure="measure",
            value=pl.col("value").cast(pl.Int64),
        )
    )


def _known_and_lost(stock: pl.DataFrame, gone: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the stock plus audio whose size only the ledger knows; and audio without a message."""
    is_known = pl.col("said_days").is_not_null()
    gone = gone.with_columns(
        pl.col("tier").fill_null(UNKNOWN),
        said_days=pl.when(is_known).then(pl.max_horizontal("said_days", "deleted_days")),
    )
    # An erasure removes the size from the message; so if a message has a size, a sweep deleted it.
    by_sweep = stock.with_columns(by_retention=True)
    return pl.concat([by_sweep, gone.filter(is_known)], how="diagonal"), gone.filter(~is_known)


def _days_with_audio(stock: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    oldest = max([0, *stock["said_days"], *gone["deleted_days"]])
    return pl.DataFrame({"days_ago": range(oldest + 1)}, {"days_ago": pl.Int32})


def _sums_by_day(stock: pl.DataFrame, column: str, prefix: str) -> pl.DataFrame:
    sums = stock.group_by("tier", days_ago=column).agg(_SUMS)
    return sums.rename(
        {name: prefix + name for name in ("objects", "bytes", "audio_ms", "unsized")}
    )


def _measures() -> dict[str, pl.Expr]:
    """Return the expression of each measure, for days sorted oldest first."""

    def stock(name: str) -> pl.Expr:
        left = pl.col(f"said_{name}") - pl.col(f"deleted_{name}")
        return left.cum_sum().over("tier")

    return {
        Measure.OBJECTS.value: stock("objects"),
        Measure.BYTES.value: stock("bytes"),
        Measure.AUDIO_MS.value: stock("audio_ms"),
        Measure.GRACE_BYTES.value: pl.col("grace_bytes"),
        Measure.UNSIZED_OBJECTS.value: stock("unsized"),
        Measure.ADDED_OBJECTS.value: pl.col("said_objects"),
        Measure.ADDED_BYTES.value: pl.col("said_bytes"),
        Measure.DELETED_OBJECTS.value: pl.col("deleted_objects") + pl.col("gone_objects"),
        Measure.DELETED_BYTES.value: pl.col("deleted_bytes") + pl.col("gone_bytes"),
        Measure.AVOIDED_BYTES.value: pl.col("avoided_bytes").cum_sum().over("tier"),
    }


def completed(stored: pl.DataFrame, measured: pl.DataFrame) -> pl.DataFrame:
    """Return the stored daily measures, with the days that they lack from a new measurement.

    Args:
        stored: day, tier, measure, value.
        measured: The same columns.
    """
    lacking = measured.join(stored.select("day").unique(), on="day", how="anti")
    return pl.concat([stored, lacking.select(stored.columns)])


def daily(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the measures of each day and tier as columns, sorted by day and tier."""
    kept = metrics.filter(pl.col("measure").is_in([measure.value for measure in DAILY]))
    return (
        kept.group_by("day", "tier")
        .agg(
            pl.col("value").filter(pl.col("measure") == measure.value).sum().alias(measure.value)
            for measure in DAILY
        )
        .sort("day", "tier")
    )


def total(metrics: pl.DataFrame, measure: Measure, *, until: date, days: int = 1) -> int | None:
    """Return a measure's sum over all tiers and the `days` days that end with `until`.

    Returns:
        None if none of these days was measured.
    """
    since = until - timedelta(days=days - 1)
    values = metrics.filter(
        pl.col("day").is_between(since, until) & (pl.col("measure") == measure.value)
    )["value"]
    return None if values.is_empty() else int(values.sum())
