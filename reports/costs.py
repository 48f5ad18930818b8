"""Stored audio and its cost, as Markdown and tables for artifacts."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import polars as pl

from policy.costs import BYTES_PER_GB, DAYS_PER_MONTH
from policy.storage_measures import UNKNOWN
from reports.markdown import table
from reports.wording import amount, byte_unit, dollars, duration, plain
from schema.facts.costs import CostReport, Crossing, MonthlyCost, Transfer
from schema.states import TransferSource
from schema.wording import agreeing, counted

_MAX_ROWS = 20


_WHAT_IF = (
    "**What-if: nothing was stored and nobody was alerted**, because the run has `as_of` or stated "
    "values. Leave them empty for a real measurement."
)


def summary(report: CostReport, *, what_if: bool = False) -> str:
    """Return a measurement as Markdown, with the most important facts before the first heading."""
    lines = [_WHAT_IF, ""] if what_if else []
    lines += [
        f"**A month costs {dollars(report.cost.total_usd)}** for {amount(report.bytes)} in "
        f"{counted(report.objects, 'recording')}, {duration(report.audio_minutes)} of audio. Price "
        f"book `{plain(report.price_book)}`.",
        "",
        *_costs(report),
        "",
        f"Transfer: {amount(report.transfer.month_bytes)} per month, {_origin(report.transfer)}.",
        "",
        *_groups("tier", report.by_tier),
        *_warnings(report),
    ]
    for column, frame in (
        ("language", report.by_language),
        ("format", report.by_format),
        ("age", report.by_age),
    ):
        lines += ["", f"### By {column}", "", *_groups(column, frame)]
    lines += ["", "### Retention", "", *_retention(report)]
    lines += ["", "### Unit costs", "", *_unit_costs(report)]
    lines += ["", "### Forecast", "", *_forecast(report)]
    lines += ["", f"### Analysis in {DAYS_PER_MONTH} days", "", *_throughput(report)]
    lines += [
        "",
        f"Measured at {report.as_of:%Y-%m-%d %H:%M} UTC. A GB is 1024³ bytes, a month "
        f"{DAYS_PER_MONTH} days.",
    ]
    return "\n".join(lines) + "\n"


def group_table(column: str, frame: pl.DataFrame) -> list[dict[str, str]]:
    """Return a frame of groups as rows of a table artifact."""
    return [
        {
            column: plain(row["group"]),
            "recordings": f"{row['objects']:,}",
            "size": amount(row["bytes"]),
            "audio": duration(row["audio_minutes"]),
            "storage per month": dollars(row["storage_usd_month"]),
        }
        for row in frame.iter_rows(named=True)
    ]


def _origin(transfer: Transfer) -> str:
    return {
        TransferSource.STATED: "as stated for this run",
        TransferSource.ACCESS_LOG: f"from the access log of {counted(transfer.days, 'day')}",
        TransferSource.ESTIMATE: "estimated from uploads",
    }[transfer.source]


def _costs(report: CostReport) -> list[str]:
    now = _parts(report.cost)
    before = _parts(report.cost_before) if report.cost_before else None
    rows = []
    for number, name in enumerate(("storage", "transfer", "requests", "**all**")):
        past = ("unknown", "")
        if before is not None:
            past = dollars(before[number]), _difference(now[number] - before[number])
        rows.append((name, dollars(now[number]), *past))
    return table(("Per month", "now", f"{DAYS_PER_MONTH} days ago", "difference"), rows)


def _parts(cost: MonthlyCost) -> tuple[float, float, float, float]:
    return cost.storage_usd, cost.transfer_usd, cost.requests_usd, cost.total_usd


def _difference(usd: float) -> str:
    if usd == 0:
        return "none"
    return f"{dollars(abs(usd))} {'more' if usd > 0 else 'less'}"


def _groups(column: str, frame: pl.DataFrame) -> Iterator[str]:
    """Yield a table of the largest groups."""
    if frame.is_empty():
        yield "Nothing is stored."
        return
    unit = byte_unit(max(frame["bytes"]))
    audio, minutes = ("hours", 60) if max(frame["audio_minutes"]) >= 60 else ("minutes", 1)
    yield from table(
        (column, "recordings", unit.name, audio, "storage per month"),
        [
            (
                plain(row["group"]),
                row["objects"],
                f"{row['bytes'] / unit.size_bytes:,.2f}",
                f"{row['audio_minutes'] / minutes:,.1f}",
                dollars(row["storage_usd_month"]),
            )
            for row in frame.head(_MAX_ROWS).iter_rows(named=True)
        ],
    )
    if frame.height > _MAX_ROWS:
        yield ""
        yield f"{counted(frame.height - _MAX_ROWS, 'more is', 'more are')} in `by_{column}.csv`."


def _warnings(report: CostReport) -> Iterator[str]:
    unknown = report.by_tier.filter(pl.col("group") == UNKNOWN)
    for row in unknown.iter_rows(named=True):
        yield ""
        yield (
            f"**The tier of {counted(row['objects'], 'recording')} ({amount(row['bytes'])}) is "
            "unknown**, "
            "so no sweep deletes those without an expiry date. Correct their owners' subscriptions."
        )
    if report.unsized_objects:
        yield ""
        yield (
            f"**{counted(report.unsized_objects, 'recording has', 'recordings have')} no plausible "
            f"size** and {agreeing(report.unsized_objects, 'counts', 'count')} as 0 bytes, so "
            "more is stored than shown here. Correct `audio_size_bytes`; a listing "
            "of the bucket shows the sizes."
        )


def _retention(report: CostReport) -> Iterator[str]:
    saved = report.kept_everything_usd - report.cost.storage_usd
    share = f", {100 * saved / report.kept_everything_usd:.0f} % of it" if saved > 0 else ""
    yield f"* In the grace period (expired but still stored): {amount(report.grace_bytes)}."
    yield f"* Deleted by retention so far: {amount(report.avoided_bytes)}."
    yield (
        f"* Without retention, storage would cost {dollars(report.kept_everything_usd)} per month; "
        f"retention saves {dollars(max(saved, 0.0))}{share}."
    )


def _unit_costs(report: CostReport) -> list[str]:
    minutes, learners = report.audio_minutes, report.active_learners
    rows = []
    for name, count, shown, decimals in (
        (
            f"{agreeing(learners, 'learner', 'learners')} who sent audio in {DAYS_PER_MONTH} days",
            learners,
            f"{learners:,}",
            4,
        ),
        ("hours of stored audio", minutes / 60, f"{minutes / 60:,.2f}", 4),
        ("minutes of stored audio", minutes, f"{minutes:,.1f}", 6),
    ):
        cost = dollars(report.cost.total_usd / count, decimals) if count > 0 else ""
        rows.append((f"{shown} {name}", cost))
    return table(("Per month, for each of", ""), rows)


def _forecast(report: CostReport) -> Iterator[str]:
    if report.forecast.is_empty():
        yield "None: at least two days of history are needed."
    else:
        yield from table(
            ("On", "expected", "95 % interval"),
            [
                (
                    f"{row['day']:%Y-%m-%d}",
                    amount(row["expected_bytes"]),
                    f"{amount(row['low_bytes'])} to {amount(row['high_bytes'])}",
                )
                for row in milestones(report).iter_rows(named=True)
            ],
        )
    for crossing in report.crossings:
        yield ""
        yield _crossing(crossing, report)


def milestones(report: CostReport) -> pl.DataFrame:
    """Return the forecast one month ahead, three months ahead, and on its last day."""
    today = report.as_of.date()
    days = [today + timedelta(days=days) for days in (DAYS_PER_MONTH, 3 * DAYS_PER_MONTH)]
    is_last = pl.col("day") == pl.col("day").max()
    return report.forecast.filter(pl.col("day").is_in(days) | is_last)


def _crossing(crossing: Crossing, report: CostReport) -> str:
    threshold = f"{crossing.threshold_gb:,g} GB"
    if report.bytes >= crossing.threshold_gb * BYTES_PER_GB:
        return f"**The threshold of {threshold} is reached.**"
    if report.forecast.is_empty():
        return f"The threshold is {threshold}."
    if crossing.expected is not None:
        latest = f"on {crossing.latest}" if crossing.latest else "after the forecast's end"
        return (
            f"**The threshold of {threshold} is expected to be reached on {crossing.expected}**, "
            f"at the earliest on {crossing.earliest or crossing.expected}, at the latest {latest}."
        )
    if crossing.earliest is not None:
        return (
            f"The threshold of {threshold} may be reached on {crossing.earliest} at the earliest; "
            "it is not expected within the forecast."
        )
    return f"The threshold of {threshold} is not reached within the forecast."


def _throughput(report: CostReport) -> Iterable[str]:
    done = report.throughput
    attempted = done.analyzed + done.failed
    if not attempted:
        return ["Nothing was analysed."]
    lines = [
        f"{counted(done.analyzed, 'recording')} analysed, {done.failed:,} failed "
        f"({100 * done.failed / attempted:.1f} %): {duration(60 * done.audio_hours)} of audio in "
        f"{duration(done.analysis_seconds / 60)} of analysis, each on one core.",
    ]
    if not done.failures.is_empty():
        causes = [
            (plain(cause.replace("_", " ")), messages)
            for cause, messages in done.failures.head(_MAX_ROWS).iter_rows()
        ]
        lines += ["", *table(("Cause of failure", "recordings"), causes)]
    return lines
