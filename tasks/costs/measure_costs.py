"""Tasks of `flows/measure_costs.py`: measure, write the daily figures, report."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from policy import storage_measures
from policy.configuration import DEFAULT_POLICY
from policy.costs import (
    DAYS_PER_MONTH,
    LoggedTraffic,
    MonthOfTraffic,
    PriceBook,
    month_of_traffic,
    monthly_cost,
    storage_usd_month,
)
from policy.forecast import crossing, forecast
from policy.instants import to_utc
from schema.errors.reporting import NotYetMeasurable
from schema.facts.costs import CostReport, MonthlyCost, Throughput
from schema.states import StorageMeasure as Measure
from stores import database
from stores.costs import metrics, throughput
from stores.quality.rules.catalogue import DISTRUSTED
from tasks.resources.database import in_transaction

MONTH = timedelta(days=DAYS_PER_MONTH)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # before any recording
LATE = timedelta(hours=1)  # later measurements may miss messages deleted in the meantime
HISTORY_DAYS = metrics.OLDEST_DAYS - 1  # all older audio counts as one day's


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results of one measurement; frames as described in `policy.storage_measures`."""

    as_of: datetime  # UTC
    reconstructed: bool  # measured later, so messages deleted in the meantime are missing
    stock: pl.DataFrame
    daily: pl.DataFrame  # day, tier, measure, value
    active_learners: int
    logged: LoggedTraffic
    logged_before: LoggedTraffic  # in the month before
    throughput: Throughput


@task(cache_policy=NO_CACHE)
def check_instant(as_of: datetime) -> datetime:
    """Return the timestamp in UTC.

    Raises:
        NotYetMeasurable: If it has no time zone, is in the future, or is before 1970.
    """
    if as_of.utcoffset() is None:
        raise NotYetMeasurable(as_of, "has no time zone")
    if as_of > in_transaction(database.now):
        raise NotYetMeasurable(as_of, "is in the future")
    if as_of < EARLIEST:
        raise NotYetMeasurable(as_of, "is before any recording")
    return to_utc(as_of)


@task(cache_policy=NO_CACHE)
def measure(as_of: datetime) -> Measurement:
    """Measure from messages, deletion ledger and traffic logs in one transaction.

    Args:
        as_of: UTC; later messages are left out, audio deleted later still counts.
    """
    return in_transaction(_measure, as_of)


def _measure(connection: Connection, as_of: datetime) -> Measurement:
    since = as_of - MONTH
    reconstructed = database.now(connection) - as_of > LATE
    stock = storage_measures.with_tiers(metrics.stock(connection, as_of=as_of))
    daily = storage_measures.daily_measures(
        stock, metrics.gone(connection, as_of=as_of), as_of=as_of, horizon_days=HISTORY_DAYS
    )
    return Measurement(
        as_of=as_of,
        reconstructed=reconstructed,
        stock=stock,
        daily=daily,
        active_learners=metrics.active_learners(connection, since=since, as_of=as_of),
        logged=_logged(connection, as_of),
        logged_before=_logged(connection, since),
        throughput=throughput.throughput(
            connection, since=since, as_of=as_of, distrusted=DISTRUSTED
        ),
    )


def _logged(connection: Connection, until: datetime) -> LoggedTraffic:
    """Return the traffic of the month's whole days; the day of `until` is not complete."""
    since = (until - MONTH).date()
    return LoggedTraffic(*throughput.traffic(connection, since=since, until=until.date()))


@task(cache_policy=NO_CACHE)
def write_metrics(measurement: Measurement) -> None:
    """Replace the day's figures in `audio_ops.storage_metric`; add days that are missing there."""
    in_transaction(
        metrics.write,
        measurement.daily,
        as_of=measurement.as_of,
        reconstructed=measurement.reconstructed,
    )


@task(cache_policy=NO_CACHE)
def build_report(
    measurement: Measurement,
    prices: PriceBook,
    *,
    horizon_days: int,
    transferred_gb_month: float | None,
) -> CostReport:
    """Compute costs, history and forecast from the measurement and the daily figures.

    Raises:
        PriceRefused: If the stated transfer is negative or not a number.
    """
    as_of, stock = measurement.as_of, measurement.stock
    today = as_of.date()
    stored = in_transaction(
        metrics.history, after=today - timedelta(days=metrics.OLDEST_DAYS), until=today
    )
    history = storage_measures.completed(stored, measurement.daily)
    expected = forecast(
        storage_measures.daily(measurement.daily),
        storage_measures.cohorts(stock),
        today=today,
        horizon_days=horizon_days,
    )
    now = measurement.daily.filter(pl.col("day") == today)
    sums = dict(now.group_by("measure").agg(pl.col("value").sum()).iter_rows())
    known = (measurement.daily, history)
    traffic = _traffic(known, as_of, measurement.logged, transferred_gb_month)
    kept_bytes = sums[Measure.BYTES] + sums[Measure.AVOIDED_BYTES]
    return CostReport(
        as_of=as_of,
        price_book=prices.name,
        by_tier=storage_measures.by_group(stock, "tier", prices),
        by_language=storage_measures.by_group(stock, "language", prices),
        by_format=storage_measures.by_group(stock, "format", prices),
        by_age=storage_measures.by_age(stock, prices),
        daily=storage_measures.daily(history),
        forecast=expected,
        objects=sums[Measure.OBJECTS],
        bytes=sums[Measure.BYTES],
        audio_minutes=sums[Measure.AUDIO_MS] / storage_measures.MS_PER_MINUTE,
        grace_bytes=sums[Measure.GRACE_BYTES],
        avoided_bytes=sums[Measure.AVOIDED_BYTES],
        unsized_objects=sums[Measure.UNSIZED_OBJECTS],
        active_learners=measurement.active_learners,
        transfer=traffic.transfer,
        cost=monthly_cost(sums[Measure.BYTES], traffic, prices),
        cost_before=_cost_before(measurement, history, traffic, prices, transferred_gb_month),
        kept_everything_usd=storage_usd_month(kept_bytes, prices),
        crossings=(
            crossing(
                expected,
                threshold_gb=DEFAULT_POLICY.costs.storage_alert_threshold_gb,
                stock_bytes=sums[Measure.BYTES],
                today=today,
            ),
        ),
        throughput=measurement.throughput,
    )


def _traffic(
    known: Collection[pl.DataFrame],
    until: datetime,
    logged: LoggedTraffic,
    stated_gb: float | None,
) -> MonthOfTraffic:
    """Return a month's traffic.

    Audio that arrived late is only in the current measurement; audio whose message has since been
    deleted is only in the stored figures. The larger of the two is closer to what was uploaded.
    """

    def uploaded(measure: Measure) -> int:
        return max(
            storage_measures.total(figures, measure, until=until.date(), days=DAYS_PER_MONTH) or 0
            for figures in known
        )

    return month_of_traffic(
        uploaded_bytes=uploaded(Measure.ADDED_BYTES),
        uploaded_objects=uploaded(Measure.ADDED_OBJECTS),
        logged=logged,
        stated_gb=stated_gb,
    )


def _cost_before(
    measurement: Measurement,
    history: pl.DataFrame,
    traffic: MonthOfTraffic,
    prices: PriceBook,
    stated_gb: float | None,
) -> MonthlyCost | None:
    """Return the cost a month earlier; with today's traffic if that month's has another source."""
    until = measurement.as_of - MONTH
    stored = storage_measures.total(history, Measure.BYTES, until=until.date())
    if stored is None:
        return None
    known = (measurement.daily, history)
    earlier = _traffic(known, until, measurement.logged_before, stated_gb)
    comparable = earlier.transfer.source is traffic.transfer.source
    return monthly_cost(stored, earlier if comparable else traffic, prices)
