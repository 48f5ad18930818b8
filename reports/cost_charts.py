"""Charts of stored audio and its cost; matplotlib is imported lazily."""

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from policy.costs import BYTES_PER_GB, DAYS_PER_MONTH
from reports.canvas import canvas, png
from reports.wording import amount, byte_unit, dollars, plain
from schema.facts.costs import CostReport, MonthlyCost
from schema.states import TransferSource, UserTier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DAY = timedelta(days=1)
_ACTIVITY_DAYS = 90  # more bars would not be distinguishable
_MIN_DAYS = 14  # on a shorter axis a single bar would fill the chart
# Threshold lines appear once this share is reached; earlier they would flatten everything else.
_MIN_SHARE_OF_THRESHOLD = 0.3
# Okabe and Ito (2008): distinguishable with colour blindness.
_TIER_COLOURS = {
    UserTier.PREMIUM.value: "#009E73",
    UserTier.PLUS.value: "#56B4E9",
    UserTier.FREE.value: "#0072B2",
    UserTier.GUEST.value: "#E69F00",
    UserTier.SYSTEM.value: "#CC79A7",
}
_OTHER_COLOUR = "#999999"
_ALARM_COLOUR = "#D55E00"


def charts(report: CostReport) -> dict[str, bytes]:
    """Draw the charts; return PNG images of 1,200 by 630 pixels by name."""
    return {
        "storage": png(_storage(report)),
        "added_and_deleted": png(_added_and_deleted(report)),
        "monthly_cost": png(_monthly_cost(report)),
    }


def _storage(report: CostReport) -> "Figure":
    """Draw the stored volume by day, stacked by tier, and its forecast."""
    ahead = report.forecast
    stock = report.daily.group_by("day").agg(pl.col("bytes").sum())["bytes"]
    highest = max([report.bytes, *stock, *ahead["high_bytes"]])
    unit = byte_unit(highest)
    title = f"{amount(report.bytes)} stored"
    if not ahead.is_empty():
        last = ahead.row(-1, named=True)
        title += f", {amount(last['expected_bytes'])} expected on {last['day']}"
    figure, axes = canvas(title, f"{unit.name} stored")
    _stack_tiers(axes, report.daily, unit.size_bytes)
    if not ahead.is_empty():
        low, high, expected = (
            [report.bytes / unit.size_bytes, *(ahead[name] / unit.size_bytes)]
            for name in ("low_bytes", "high_bytes", "expected_bytes")
        )
        days = [report.as_of.date(), *ahead["day"]]
        axes.fill_between(
            days, low, high, color="#000000", alpha=0.15, linewidth=0, label="95 % interval"
        )
        axes.plot(days, expected, color="#000000", linestyle="--", label="expected")
    for crossing in report.crossings:
        threshold = crossing.threshold_gb * BYTES_PER_GB
        if highest >= _MIN_SHARE_OF_THRESHOLD * threshold:
            label = f"threshold, {crossing.threshold_gb:,g} GB"
            axes.axhline(threshold / unit.size_bytes, color=_ALARM_COLOUR, label=label)
    axes.set_ylim(0, None if highest else 1)
    axes.yaxis.set_major_formatter(_number)
    _date_axis(axes, report.daily["day"], max([report.as_of.date(), *ahead["day"]]))
    _legend(axes, upwards=True)
    return figure


def _stack_tiers(axes: "Axes", daily: pl.DataFrame, unit_bytes: int) -> None:
    stored = set(daily.filter(pl.col("bytes") > 0)["tier"])
    if not stored:
        return
    days = daily["day"].unique().sort()
    edges = [days[0] - _DAY, *days]  # a day's value is drawn from the day before to its measurement
    known = [tier for tier in _TIER_COLOURS if tier in stored]
    other = sorted(stored - set(known))
    layers = []
    for tier in (*known, *other):
        of_tier = daily.filter(pl.col("tier") == tier).select("day", pl.col("bytes") / unit_bytes)
        stock = days.to_frame().join(of_tier, on="day", how="left", maintain_order="left")
        values = stock["bytes"].fill_null(0.0)
        layers.append([values[0], *values])
    axes.stackplot(
        edges,
        layers,
        step="pre",
        labels=[plain(tier) for tier in (*known, *other)],
        colors=[_TIER_COLOURS.get(tier, _OTHER_COLOUR) for tier in (*known, *other)],
        linewidth=0,
    )


def _added_and_deleted(report: CostReport) -> "Figure":
    """Draw what was added and deleted on each day."""
    today = report.as_of.date()
    by_day = report.daily.group_by("day").agg(pl.col("added_bytes", "deleted_bytes").sum())
    month = by_day.filter(pl.col("day") > today - DAYS_PER_MONTH * _DAY)
    shown = by_day.filter(pl.col("day") > today - _ACTIVITY_DAYS * _DAY)
    unit = byte_unit(max([0, *shown["added_bytes"], *shown["deleted_bytes"]]))
    title = (
        f"{amount(sum(month['added_bytes']))} added and "
        f"{amount(sum(month['deleted_bytes']))} deleted in {DAYS_PER_MONTH} days"
    )
    figure, axes = canvas(title, f"{unit.name} per day")
    for column, sign, colour in (("added", 1, "#0072B2"), ("deleted", -1, "#E69F00")):
        values = shown[f"{column}_bytes"] * sign / unit.size_bytes
        axes.bar(list(shown["day"]), list(values), width=0.9, color=colour, label=column)
    axes.axhline(0, color="#000000", linewidth=0.8)
    axes.yaxis.set_major_formatter(_number)
    if not (shown["added_bytes"].sum() or shown["deleted_bytes"].sum()):
        axes.set_ylim(-1, 1)
    _date_axis(axes, shown["day"], today)
    _legend(axes)
    return figure


def _monthly_cost(report: CostReport) -> "Figure":
    """Draw the cost of a month: now, 30 days ago, and without retention."""
    now = report.cost
    costs = {"now": now}
    title = f"A month costs {dollars(now.total_usd)}"
    if report.cost_before is not None:
        costs[f"{DAYS_PER_MONTH} days ago"] = report.cost_before
        change = now.total_usd - report.cost_before.total_usd
        title += f", {dollars(abs(change))} {'less' if change < 0 else 'more'} than before"
    costs["without\nretention"] = MonthlyCost(
        report.kept_everything_usd, now.transfer_usd, now.requests_usd
    )
    figure, axes = canvas(title, None)
    highest = max(cost.total_usd for cost in costs.values())
    decimals = _decimals(highest)
    left = [0.0] * len(costs)
    is_estimate = report.transfer.source is TransferSource.ESTIMATE
    for part, values, colour in (
        ("storage", [cost.storage_usd for cost in costs.values()], "#0072B2"),
        (
            "transfer, an estimate" if is_estimate else "transfer",
            [cost.transfer_usd for cost in costs.values()],
            "#E69F00",
        ),
        ("requests", [cost.requests_usd for cost in costs.values()], "#CC79A7"),
    ):
        if highest and not any(values):
            continue  # keeps empty parts out of the legend
        axes.barh(list(costs), values, left=left, height=0.6, color=colour, label=part)
        left = [begin + value for begin, value in zip(left, values, strict=True)]
    for row, total in enumerate(left):
        axes.annotate(
            dollars(total, decimals), (total, row), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=12, weight="bold",
        )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * highest or 1)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("US dollars per month", fontsize=12)
    axes.xaxis.set_major_formatter(lambda value, _: dollars(value, decimals))
    axes.grid(axis="x", color="#dddddd")
    axes.grid(visible=False, axis="y")
    _legend(axes)
    return figure


def _decimals(highest_usd: float) -> int:
    """Return the number of decimals that shows two significant digits, at least 2."""
    return max(2, 1 - math.floor(math.log10(highest_usd))) if highest_usd > 0 else 2


def _date_axis(axes: "Axes", days: pl.Series, last: date) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    first = min([*days, last - _MIN_DAYS * _DAY])
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlim(*date2num([first - _DAY, last + _DAY]))  # type: ignore[no-untyped-call]
    axes.set_xlabel("day, UTC", fontsize=12)


def _number(value: float, _position: float) -> str:
    return f"{abs(value):,g}"  # deletions are drawn downwards, but are not negative


def _legend(axes: "Axes", *, upwards: bool = False) -> None:
    """Put the legend beside the chart; `upwards` reverses it to match stacked layers."""
    handles, labels = axes.get_legend_handles_labels()
    order = slice(None, None, -1 if upwards else 1)
    if handles:
        axes.legend(
            handles[order],
            labels[order],
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            frameon=False,
            fontsize=11,
        )
