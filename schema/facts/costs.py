"""Facts about stored audio and its cost; frames are polars, bytes and counts integers."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from schema.states import TransferSource


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes sent by the bucket in 30 days."""

    month_bytes: float
    source: TransferSource
    days: int  # covered by the source, 0 to 30; fewer are scaled up to 30


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """Cost of a month at today's stored volume and traffic, in US dollars."""

    storage_usd: float
    transfer_usd: float
    requests_usd: float

    @property
    def total_usd(self) -> float:
        """Sum of all parts."""
        return self.storage_usd + self.transfer_usd + self.requests_usd


@dataclass(frozen=True, slots=True)
class Crossing:
    """When the stored volume is expected to reach a threshold; None: not within the horizon."""

    threshold_gb: float
    expected: date | None
    earliest: date | None  # from the upper bound of the forecast's interval
    latest: date | None  # from the lower bound


@dataclass(frozen=True, slots=True)
class Throughput:
    """Analyses in the 30 days before `as_of`, without quarantined messages."""

    analyzed: int
    failed: int
    audio_hours: float  # of speech, including pauses between words
    analysis_seconds: float  # measured by the engine; each analysis runs on one core
    failures: pl.DataFrame  # cause: str, messages: int; most frequent first


@dataclass(frozen=True, slots=True)
class CostReport:
    """One measurement; frames may be empty, but have all columns.

    `by_*` have one row per group: group (str), objects (int), bytes (int), audio_minutes (float),
    storage_usd_month (float), sorted with the most bytes first.
    """

    as_of: datetime  # UTC
    price_book: str  # its name
    by_tier: pl.DataFrame
    by_language: pl.DataFrame
    by_format: pl.DataFrame
    by_age: pl.DataFrame  # sorted by age, groups such as "0-7 days"
    daily: pl.DataFrame  # day, tier, bytes, added_bytes, deleted_bytes, added/deleted_objects
    forecast: pl.DataFrame  # day, expected_bytes, low_bytes, high_bytes: 95 % interval
    objects: int
    bytes: int
    audio_minutes: float
    grace_bytes: int
    avoided_bytes: int  # deleted by retention so far
    unsized_objects: int  # counted in `objects`, but with 0 bytes
    active_learners: int  # learners who sent audio in the last 30 days
    transfer: Transfer
    cost: MonthlyCost
    cost_before: MonthlyCost | None  # 30 days earlier, at the same prices; None: unknown
    kept_everything_usd: float  # cost of a month's storage if retention had deleted nothing
    crossings: tuple[Crossing, ...]
    throughput: Throughput


@dataclass(frozen=True, slots=True)
class ThresholdStanding:
    """A measure's standing relative to its threshold at the last reading."""

    above: bool  # it reached the threshold, and has not fallen well below it since
    as_of: datetime
    crossed_at: datetime | None  # when it last reached the threshold; None: never
