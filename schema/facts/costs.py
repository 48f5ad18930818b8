"""What storage holds and costs, as measured; frames are polars, bytes and counts whole numbers."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from schema.states import TransferSource


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes sent by the bucket in 30 days."""

    month_bytes: float
    source: TransferSource
    days: int  # that the source covers, 0 to 30; fewer are scaled up to 30


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """What one month costs at today's stock and traffic, US dollars."""

    storage_usd: float
    transfer_usd: float
    requests_usd: float

    @property
    def total_usd(self) -> float:
        """All of it."""
        return self.storage_usd + self.transfer_usd + self.requests_usd


@dataclass(frozen=True, slots=True)
class Crossing:
    """When the stock is expected to reach a threshold; None: not within the horizon."""

    threshold_gb: float
    expected: date | None
    earliest: date | None  # by the upper end of the forecast's interval
    latest: date | None  # by its lower end


@dataclass(frozen=True, slots=True)
class Throughput:
    """Analyses in the 30 days before `as_of`, without quarantined messages."""

    analyzed: int
    failed: int
    audio_hours: float  # spoken, with the pauses between words
    analysis_seconds: float  # by the engine's own clock; each analysis runs on one core
    failures: pl.DataFrame  # cause: str, messages: int; most frequent first


@dataclass(frozen=True, slots=True)
class CostReport:
    """One measurement; every frame may be empty, none lacks a column.

    `by_*` have one row a group: group (str), objects (int), bytes (int), audio_minutes (float),
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
    avoided_bytes: int  # deleted by retention: without it they would be stored besides
    unsized_objects: int  # counted as objects, with unknown bytes
    active_learners: int  # who sent audio in the last 30 days
    transfer: Transfer
    cost: MonthlyCost
    cost_before: MonthlyCost | None  # 30 days earlier, at the same prices; None: nothing known
    kept_everything_usd: float  # storage of a month if retention had deleted nothing
    crossings: tuple[Crossing, ...]
    throughput: Throughput


@dataclass(frozen=True, slots=True)
class ThresholdStanding:
    """How a measure stood to its threshold when it was last looked at."""

    above: bool  # it has risen to the threshold, and not fallen well below it since
    as_of: datetime
    crossed_at: datetime | None  # when it last rose to the threshold; None: never
