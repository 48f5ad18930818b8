"""Tables and daily figures from groups of audio."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.costs import BYTES_PER_GB, prices_of
from policy.storage_measures import (
    by_age,
    by_group,
    cohorts,
    completed,
    daily,
    daily_measures,
    total,
    with_tiers,
)
from schema.states import StorageMeasure as Measure

AS_OF = datetime(2025, 10, 26, 3, 30, tzinfo=UTC)
TODAY = AS_OF.date()
STOCK = {
    "language": pl.String,
    "has_user": pl.Boolean,
    "current_tier": pl.String,
    "system": pl.Boolean,
    "format": pl.String,
    "said_days": pl.Int32,
    "deleted_days": pl.Int32,
    "in_grace": pl.Boolean,
    "objects": pl.Int64,
    "bytes": pl.Int64,
    "audio_ms": pl.Int64,
    "unsized": pl.Int64,
}
GONE = {
    "tier": pl.String,
    "said_days": pl.Int32,
    "deleted_days": pl.Int32,
    "by_retention": pl.Boolean,
    "objects": pl.Int64,
    "bytes": pl.Int64,
}
NONE_GONE = pl.DataFrame(schema=GONE)
AUDIO = {
    "language": "en",
    "has_user": True,
    "current_tier": None,
    "system": False,
    "format": "pcm16",
    "said_days": 0,
    "deleted_days": None,
    "in_grace": False,
    "objects": 1,
    "bytes": 10,
    "audio_ms": 60_000,
    "unsized": 0,
}


def stock_of(*groups):
    return with_tiers(pl.DataFrame([AUDIO | group for group in groups], STOCK))


def days_of(stock, gone=NONE_GONE, days=399):
    return daily_measures(stock, gone, as_of=AS_OF, horizon_days=days)


def value(metrics, measure, day=TODAY, tier="free"):
    rows = metrics.filter(day=day, tier=tier, measure=measure.value)["value"]
    return rows.item() if len(rows) else None


@pytest.mark.parametrize(
    ("group", "tier"),
    [
        ({"has_user": False}, "guest"),
        ({"current_tier": None}, "free"),
        ({"current_tier": "premium"}, "premium"),
        ({"current_tier": "gold"}, "unknown"),
        ({"current_tier": "gold", "system": True}, "system"),
        ({"has_user": False, "system": True}, "system"),
    ],
)
def test_audio_counts_for_its_owners_tier(group, tier):
    assert stock_of(group)["tier"].to_list() == [tier]


def test_groups_are_priced_and_sorted_by_bytes_and_say_unknown_for_no_format():
    stock = stock_of(
        {"format": "wav", "bytes": BYTES_PER_GB},
        {"format": None, "bytes": 2 * BYTES_PER_GB, "objects": 3},
        {"format": "wav", "bytes": 50, "deleted_days": 0},
    )
    assert by_group(stock, "format", prices_of()).rows() == [
        ("unknown", 3, 2 * BYTES_PER_GB, 1.0, pytest.approx(0.04)),
        ("wav", 1, BYTES_PER_GB, 1.0, pytest.approx(0.02)),
    ]


def test_ages_are_counted_in_whole_days_and_sorted_the_youngest_first():
    ages = (400, 366, 365, 91, 90, 31, 30, 8, 7, 0)
    groups = by_age(stock_of(*({"said_days": age} for age in ages)), prices_of())
    assert groups["group"].to_list() == [
        "0-7 days", "8-30 days", "31-90 days", "91-365 days", "> 365 days",
    ]  # fmt: skip
    assert groups["objects"].to_list() == [2] * 5


def test_a_day_has_what_was_there_at_its_end():
    metrics = days_of(stock_of({"said_days": 3, "deleted_days": 1}, {"said_days": 0, "bytes": 7}))
    days = [date(2025, 10, day) for day in (23, 24, 25, 26)]
    assert [value(metrics, Measure.BYTES, day) for day in days] == [10, 10, 0, 7]
    assert [value(metrics, Measure.ADDED_BYTES, day) for day in days] == [10, 0, 0, 7]
    assert [value(metrics, Measure.DELETED_BYTES, day) for day in days] == [0, 0, 10, 0]
    assert [value(metrics, Measure.AVOIDED_BYTES, day) for day in days] == [0, 0, 10, 10]
    assert metrics["day"].min() == days[0]


def test_grace_is_known_for_the_measured_day_only():
    metrics = days_of(stock_of({"said_days": 3, "in_grace": True}, {"bytes": 7}))
    assert value(metrics, Measure.GRACE_BYTES) == 10
    assert value(metrics, Measure.GRACE_BYTES, date(2025, 10, 25)) is None


def test_deletions_known_only_from_the_ledger_count_as_avoided():
    rows = [("plus", None, 2, True, 3, 30), (None, None, 2, True, 1, 5)]
    gone = pl.DataFrame(rows, GONE, orient="row")
    metrics = days_of(stock_of({"said_days": 1}), gone)
    day = date(2025, 10, 24)
    assert value(metrics, Measure.DELETED_BYTES, day, "plus") == 30
    assert value(metrics, Measure.DELETED_OBJECTS, day, "plus") == 3
    assert value(metrics, Measure.AVOIDED_BYTES, tier="plus") == 30
    assert value(metrics, Measure.AVOIDED_BYTES, tier="unknown") == 5
    assert value(metrics, Measure.BYTES, tier="plus") == 0


def test_erasures_and_orphans_are_deleted_but_retention_did_not_avoid_them():
    gone = pl.DataFrame([("free", None, 1, False, 1, 30)], GONE, orient="row")
    metrics = days_of(stock_of({"said_days": 2, "deleted_days": 1}), gone)
    assert value(metrics, Measure.DELETED_BYTES, date(2025, 10, 25)) == 40
    assert value(metrics, Measure.AVOIDED_BYTES) == 10


@pytest.mark.parametrize("by_retention", [True, False])
def test_a_size_that_only_the_ledger_knows_counts_on_the_day_of_its_message(by_retention):
    gone = pl.DataFrame([("free", 2, 1, by_retention, 0, 30)], GONE, orient="row")
    metrics = days_of(stock_of({"said_days": 2, "deleted_days": 1, "bytes": 0}), gone)
    days = [date(2025, 10, day) for day in (24, 25, 26)]
    assert [value(metrics, Measure.ADDED_BYTES, day) for day in days] == [30, 0, 0]
    assert [value(metrics, Measure.DELETED_BYTES, day) for day in days] == [0, 30, 0]
    assert [value(metrics, Measure.BYTES, day) for day in days] == [30, 0, 0]
    assert [value(metrics, Measure.OBJECTS, day) for day in days] == [1, 0, 0]
    assert value(metrics, Measure.AVOIDED_BYTES) == (30 if by_retention else 0)


def test_cohorts_are_what_is_there_by_tier_and_age():
    system = {"system": True, "said_days": 3}
    live = ({"said_days": 3}, {"said_days": 3, "bytes": 5}, {"said_days": 1}, system)
    found = cohorts(stock_of(*live, {"said_days": 3, "deleted_days": 1}))
    assert sorted(found.rows()) == [("free", 1, 10), ("free", 3, 15), ("system", 3, 10)]


def test_audio_older_than_the_horizon_is_in_the_stock_of_its_first_day():
    metrics = days_of(stock_of({"said_days": 9}, {"said_days": 2}), days=5)
    assert value(metrics, Measure.BYTES, date(2025, 10, 21)) == 10
    assert value(metrics, Measure.ADDED_BYTES, date(2025, 10, 21)) == 0
    assert metrics["day"].min() == date(2025, 10, 21)


def test_nothing_at_all_is_zero_in_every_tier_on_one_day():
    metrics = days_of(with_tiers(pl.DataFrame(schema=STOCK)))
    assert metrics["value"].to_list() == [0] * len(metrics)
    assert set(metrics["tier"]) == {"free", "plus", "premium", "guest", "system"}
    assert set(metrics["measure"]) == {measure.value for measure in Measure}
    assert metrics["day"].unique().to_list() == [AS_OF.date()]
    for column in ("tier", "language", "format"):
        assert by_group(with_tiers(pl.DataFrame(schema=STOCK)), column, prices_of()).is_empty()
    assert by_age(with_tiers(pl.DataFrame(schema=STOCK)), prices_of()).is_empty()


ages = st.integers(0, 30)


@given(st.lists(st.tuples(ages, ages | st.none(), st.integers(0, 10**9)), max_size=20))
def test_stock_grows_by_what_was_added_and_shrinks_by_what_was_deleted(audio):
    groups = [dict(zip(("said_days", "deleted_days", "bytes"), lot, strict=True)) for lot in audio]
    metrics = days_of(stock_of(*groups) if groups else with_tiers(pl.DataFrame(schema=STOCK)))
    table = daily(metrics).filter(tier="free")
    change = table["added_bytes"] - table["deleted_bytes"]
    assert table["bytes"].to_list() == change.cum_sum().to_list()
    assert (table["bytes"] >= 0).all()


def test_a_total_of_unmeasured_days_is_unknown_and_not_zero():
    metrics = days_of(stock_of({"said_days": 1}, {"said_days": 0}))
    assert total(metrics, Measure.ADDED_BYTES, until=AS_OF.date(), days=2) == 20
    assert total(metrics, Measure.BYTES, until=date(2025, 10, 25)) == 10
    assert total(metrics, Measure.BYTES, until=date(2025, 10, 20)) is None


def test_stored_days_are_kept_and_only_missing_ones_are_taken_from_the_measurement():
    stored = [(date(2025, 10, 24), "free", "bytes", 5)]
    measured = [(date(2025, 10, 24), "free", "bytes", 7), (date(2025, 10, 25), "free", "bytes", 9)]
    names = ["day", "tier", "measure", "value"]
    whole = completed(
        pl.DataFrame(stored, names, orient="row"), pl.DataFrame(measured, names, orient="row")
    )
    assert sorted(whole.rows()) == [*stored, measured[1]]
