"""Made-up measurements of costs."""

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl

from policy.costs import BYTES_PER_GB
from schema.facts.costs import CostReport, Crossing, MonthlyCost, Throughput, Transfer
from schema.states import TransferSource

AS_OF = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
GROUPS = {
    "group": pl.String,
    "objects": pl.Int64,
    "bytes": pl.Int64,
    "audio_minutes": pl.Float64,
    "storage_usd_month": pl.Float64,
}
DAILY = {
    "day": pl.Date,
    "tier": pl.String,
    "bytes": pl.Int64,
    "added_bytes": pl.Int64,
    "deleted_bytes": pl.Int64,
    "added_objects": pl.Int64,
    "deleted_objects": pl.Int64,
}
FORECAST = {
    "day": pl.Date,
    "expected_bytes": pl.Float64,
    "low_bytes": pl.Float64,
    "high_bytes": pl.Float64,
}
FAILURES = {"cause": pl.String, "messages": pl.Int64}
# What learners of each tier say in a day, of a bucket's daily bytes, and how long it is kept.
TIERS = {"premium": (0.15, 372), "plus": (0.2, 97), "free": (0.55, 37), "guest": (0.1, 8)}


def groups(**sizes):
    """Groups of these sizes in bytes, a minute of audio for each recording of 3 MB."""
    rows = [
        {
            "group": name,
            "objects": math.ceil(size / 3e6),
            "bytes": size,
            "audio_minutes": size / 3e6,
            "storage_usd_month": size / BYTES_PER_GB * 0.02,
        }
        for name, size in sizes.items()
    ]
    return pl.DataFrame(rows, schema=GROUPS)


def history(days, daily_bytes):
    """So many days of a bucket that learners fill steadily, with quiet week-ends."""
    rows = []
    for tier, (share, kept) in TIERS.items():
        added = []
        for number in range(days):
            day = AS_OF.date() - timedelta(days=days - 1 - number)
            quiet = 0.5 if day.weekday() >= 5 else 1.0
            growth = 1 + number / 500
            added.append(int(daily_bytes * share * quiet * growth))
            gone = added[number - kept] if number >= kept else 0
            stock = sum(added[max(0, number - kept + 1) :])
            rows.append((day, tier, stock, added[-1], gone, added[-1] // 3_000_000, 0))
    return pl.DataFrame(rows, schema=DAILY, orient="row")


def forecast(days, stock, growth):
    """A forecast that grows by so many bytes a day."""
    rows = [
        (
            AS_OF.date() + timedelta(days=ahead),
            stock + growth * ahead,
            max(0.0, stock + growth * ahead - 2 * growth * math.sqrt(ahead)),
            stock + growth * ahead + 2 * growth * math.sqrt(ahead),
        )
        for ahead in range(1, days + 1)
    ]
    return pl.DataFrame(rows, schema=FORECAST, orient="row")


def measured(days=400, daily_bytes=0.25 * BYTES_PER_GB, horizon=90, **fields):
    """A measurement of a bucket with so many days of history."""
    daily = history(days, daily_bytes)
    today = daily.filter(pl.col("day") == AS_OF.date()) if days else daily
    stock = int(today["bytes"].sum())
    storage = stock / BYTES_PER_GB * 0.02
    by_tier = groups(**dict(today.sort("bytes", descending=True).select("tier", "bytes").rows()))
    report = {
        "as_of": AS_OF,
        "price_book": "kaiwa",
        "by_tier": by_tier,
        "by_language": groups(en=stock * 2 // 3, ja=stock // 3),
        "by_format": groups(pcm16=stock),
        "by_age": groups(**{"0-7 days": stock // 4, "> 365 days": stock // 20}),
        "daily": daily,
        "forecast": forecast(horizon, stock, daily_bytes / 3),
        "objects": int(by_tier["objects"].sum()),
        "bytes": stock,
        "audio_minutes": stock / 3e6,
        "grace_bytes": stock // 12,
        "avoided_bytes": stock * 3,
        "unsized_objects": 0,
        "active_learners": 120,
        "transfer": Transfer(30 * daily_bytes, TransferSource.ESTIMATE, 30),
        "cost": MonthlyCost(storage, 30 * daily_bytes / BYTES_PER_GB * 0.09, 0.004),
        "cost_before": MonthlyCost(storage * 0.9, 28 * daily_bytes / BYTES_PER_GB * 0.09, 0.003),
        "kept_everything_usd": storage * 4,
        "crossings": (Crossing(50.0, date(2026, 4, 11), date(2026, 4, 5), date(2026, 4, 20)),),
        "throughput": Throughput(
            1200,
            12,
            3.5,
            5400.0,
            pl.DataFrame({"cause": ["no_speech", "undecodable"], "messages": [9, 3]}),
        ),
    }
    return CostReport(**(report | fields))


def nothing_measured(**fields):
    """A measurement of an empty bucket, by an empty database."""
    nothing = pl.DataFrame(schema=GROUPS)
    empty = {
        "by_tier": nothing,
        "by_language": nothing,
        "by_format": nothing,
        "by_age": nothing,
        "forecast": pl.DataFrame(schema=FORECAST),
        "active_learners": 0,
        "transfer": Transfer(0.0, TransferSource.ESTIMATE, 0),
        "cost": MonthlyCost(0.0, 0.0, 0.0),
        "cost_before": None,
        "crossings": (Crossing(50.0, None, None, None),),
        "throughput": Throughput(0, 0, 0.0, 0.0, pl.DataFrame(schema=FAILURES)),
    }
    return measured(0, **(empty | fields))
