"""Measure stored audio and its cost from messages, ledger and logs: history and forecast."""

from datetime import datetime
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from policy.configuration import DEFAULT_POLICY
from policy.costs import PriceBookName, prices_of, require_amount
from reports.wording import amount, dollars
from schema.clock import utc_now
from schema.facts.costs import CostReport
from schema.wording import counted
from tasks.costs.alerts import alert_on_thresholds
from tasks.costs.measure_costs import build_report, check_instant, measure, write_metrics
from tasks.costs.publication import publish_costs
from tasks.runtime.clocks import check_clocks


@flow(name="measure-costs", flow_run_name="measure-costs-{price_book}")
def measure_costs(
    as_of: datetime | None = None,
    horizon_days: Annotated[int, Field(ge=1, le=365)] = 90,
    price_book: PriceBookName = PriceBookName.KAIWA,
    transferred_gb_month: Annotated[float, Field(ge=0)] | None = None,
    storage_usd_per_gb_month: Annotated[float, Field(ge=0)] | None = None,
    transfer_usd_per_gb: Annotated[float, Field(ge=0)] | None = None,
    read_usd_per_1000: Annotated[float, Field(ge=0)] | None = None,
    write_usd_per_1000: Annotated[float, Field(ge=0)] | None = None,
) -> CostReport:
    """Measure how much audio is stored and what it costs.

    It writes only `audio_ops.storage_metric`: the measured day (a rerun replaces it) and earlier
    days that were never measured, reconstructed from messages. A run with `as_of`, a stated
    transfer or a stated price is a what-if: it stores nothing, writes no files and alerts nobody.

    Args:
        as_of: Past timestamp to measure, with UTC offset. Messages deleted or erased since then
            are not counted. Empty: now. A run with it is a what-if.
        horizon_days: Days to forecast.
        price_book: Price list: kaiwa (the app's own prices), tigris or s3 (list prices).
        transferred_gb_month: GB (1024³ bytes) transferred per month, for example from the
            provider's bill. Empty: from audio_ops.bucket_traffic, or estimated. A run with it, or
            with one of the following prices, is a what-if.
        storage_usd_per_gb_month: Price per GB and month of storage. Empty: the price book's.
        transfer_usd_per_gb: Price per GB transferred. Empty: the price book's.
        read_usd_per_1000: Price per 1,000 GET or HEAD requests. Empty: the price book's.
        write_usd_per_1000: Price per 1,000 PUT, COPY, POST or LIST requests. Empty: the price
            book's.

    Returns:
        The report, as published.

    Raises:
        ClockSkew: If `as_of` is empty and this machine's clock is off.
        NotYetMeasurable: If `as_of` is in the future, before 1970, or has no UTC offset.
        PriceRefused: If an amount is negative or not a number.
    """
    stated_prices = {
        "storage_usd_per_gb_month": storage_usd_per_gb_month,
        "transfer_usd_per_gb": transfer_usd_per_gb,
        "read_usd_per_1000": read_usd_per_1000,
        "write_usd_per_1000": write_usd_per_1000,
    }
    prices = prices_of(price_book, DEFAULT_POLICY.costs, **stated_prices)
    if transferred_gb_month is not None:
        require_amount("transferred_gb_month", transferred_gb_month)
    stated = (as_of, transferred_gb_month, *stated_prices.values())
    what_if = any(value is not None for value in stated)
    if as_of is None:
        moment = utc_now()
        check_clocks(moment)
    else:
        moment = check_instant(as_of)
    measurement = measure(moment)
    if not what_if:
        write_metrics(measurement)
    report = build_report(
        measurement, prices, horizon_days=horizon_days, transferred_gb_month=transferred_gb_month
    )
    try:
        if not what_if:
            alert_on_thresholds(report)  # first, because unwritable files fail the run
    finally:
        publish_costs(report, what_if=what_if)  # even if the alert failed
    stored = f"{counted(report.objects, 'recording')}, {amount(report.bytes)}"
    get_run_logger().info("%s: %s a month", stored, dollars(report.cost.total_usd))
    return report
