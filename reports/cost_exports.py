"""Tables of stored audio and its cost, for spreadsheets (CSV) and programs (Parquet)."""

import io
from collections.abc import Mapping

import polars as pl

from schema.facts.costs import CostReport

# CSV only: spreadsheets evaluate a name that begins like a formula, also in full-width characters
# and after spaces or quotes, which some of them drop. Numbers are no names and stay.
_BEGINS_FORMULA = r"[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}\x{FE66}\x{FE62}\x{FE63}\x{FE6B}]"
_NO_FORMULA = pl.col(pl.String).str.replace(
    rf"""^([\s\p{{Cc}}\p{{Cf}}"']*{_BEGINS_FORMULA}|[\t\r\n])""", "'${0}"
)


def exports(report: CostReport) -> dict[str, bytes]:
    """Return the contents of the exported files by name."""
    files = {}
    for name, frame in tables(report).items():
        files[f"{name}.csv"] = (
            frame.with_columns(_NO_FORMULA).write_csv(quote_style="non_numeric").encode()
        )
        parquet = io.BytesIO()
        frame.write_parquet(parquet)
        files[f"{name}.parquet"] = parquet.getvalue()
    return files


def tables(report: CostReport) -> Mapping[str, pl.DataFrame]:
    """Return all tables of a measurement; `summary` holds the single figures in one row."""
    return {
        "summary": _summary(report),
        "by_tier": report.by_tier,
        "by_language": report.by_language,
        "by_format": report.by_format,
        "by_age": report.by_age,
        "daily": report.daily,
        "forecast": report.forecast,
        "crossings": _crossings(report),
        "failures": report.throughput.failures,
    }


def _summary(report: CostReport) -> pl.DataFrame:
    cost, before, done = report.cost, report.cost_before, report.throughput
    figures = {
        "as_of": report.as_of,
        "price_book": report.price_book,
        "objects": report.objects,
        "bytes": report.bytes,
        "audio_minutes": report.audio_minutes,
        "grace_bytes": report.grace_bytes,
        "avoided_bytes": report.avoided_bytes,
        "unsized_objects": report.unsized_objects,
        "active_learners": report.active_learners,
        "transfer_month_bytes": report.transfer.month_bytes,
        "transfer_source": report.transfer.source.value,
        "transfer_days": report.transfer.days,
        "storage_usd_month": cost.storage_usd,
        "transfer_usd_month": cost.transfer_usd,
        "requests_usd_month": cost.requests_usd,
        "total_usd_month": cost.total_usd,
        "total_usd_month_before": before.total_usd if before else None,
        "kept_everything_usd_month": report.kept_everything_usd,
        "analyzed": done.analyzed,
        "failed": done.failed,
        "analyzed_audio_hours": done.audio_hours,
        "analysis_seconds": done.analysis_seconds,
    }
    return pl.DataFrame([figures], schema_overrides={"total_usd_month_before": pl.Float64})


def _crossings(report: CostReport) -> pl.DataFrame:
    schema = {
        "threshold_gb": pl.Float64,
        "expected": pl.Date,
        "earliest": pl.Date,
        "latest": pl.Date,
    }
    rows = [
        (crossing.threshold_gb, crossing.expected, crossing.earliest, crossing.latest)
        for crossing in report.crossings
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")
