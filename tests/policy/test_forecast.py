"""Laws of the forecast, and the coverage of its interval."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import DEFAULT_POLICY
from policy.costs import BYTES_PER_GB
from policy.forecast import FORECAST, crossing, forecast

TODAY = date(2025, 10, 26)  # the day on which clocks in Berlin go back
GUEST_DAYS = DEFAULT_POLICY.retention_days.guest + DEFAULT_POLICY.cleanup.grace_period_days
added = st.lists(st.integers(0, 10**9), min_size=2, max_size=60)


def history(added_bytes, tier="guest"):
    """Days up to today, in order."""
    newest = len(added_bytes) - 1
    rows = [(TODAY - timedelta(days=newest - n), tier, lot) for n, lot in enumerate(added_bytes)]
    schema = {"day": pl.Date, "tier": pl.String, "added_bytes": pl.Int64}
    return pl.DataFrame(rows, schema, orient="row")


def stock(lots, tier="guest"):
    """Stored audio by the day of its message, today last."""
    rows = [(tier, ago, lot) for ago, lot in enumerate(reversed(lots))]
    schema = {"tier": pl.String, "said_days": pl.Int32, "bytes": pl.Int64}
    return pl.DataFrame(rows, schema, orient="row")


def ahead(daily, cohorts, days=60):
    return forecast(daily, cohorts, today=TODAY, horizon_days=days)


def guests(lots, days=60):
    """Forecast for guests whose audio was deleted when it was due."""
    return ahead(history(lots), stock(lots[-GUEST_DAYS:]), days)


def test_steady_uploads_keep_a_steady_stock_and_leave_no_doubt():
    expected = guests([100] * 30)
    assert set(expected["expected_bytes"]) == {100 * GUEST_DAYS}
    assert expected["low_bytes"].equals(expected["high_bytes"])
    assert expected["day"][0] == TODAY + timedelta(days=1)


def test_without_uploads_each_lot_leaves_when_its_time_is_over():
    lots = [0] * 28 + [7, 0, 5]  # from 2 and 0 days ago
    expected = guests(lots, days=10)["expected_bytes"]
    uploads = 12 / 28
    left = [12, 12, 12, 12, 12, 5, 5, 0, 0, 0]
    came = [min(day, GUEST_DAYS) * uploads for day in range(1, 11)]
    assert list(expected) == pytest.approx([a + b for a, b in zip(left, came, strict=True)])


def test_audio_of_an_unknown_tier_never_expires():
    lots = [100] * 30
    expected = ahead(history(lots, "unknown"), stock(lots, "unknown"), days=365)
    assert expected["expected_bytes"][-1] == 3000 + 365 * 100


def test_audio_that_was_deleted_early_does_not_leave_twice():
    lots = [0] * 26 + [100, 7]
    expected = ahead(history(lots), stock([0] * 27 + [7]), days=7)["expected_bytes"]
    uploads = 107 / 28
    assert list(expected) == pytest.approx([7 + day * uploads for day in range(1, 8)])


def test_audio_that_is_overdue_or_held_is_taken_to_stay():
    expected = ahead(history([0] * 28), stock([5] + [0] * GUEST_DAYS))["expected_bytes"]
    assert set(expected) == {5}


def test_a_tier_that_has_just_appeared_was_given_nothing_on_the_days_before():
    daily = pl.concat([history([100] * 28, "free"), history([56], "unknown")])
    held = pl.concat([stock([100] * 28, "free"), stock([56], "unknown")])
    alone = ahead(history([100] * 28, "free"), stock([100] * 28, "free"), days=90)
    with_it = ahead(daily, held, days=90)["expected_bytes"]
    assert with_it[-1] == pytest.approx(alone["expected_bytes"][-1] + 56 + 90 * 56 / 28)


@given(held=added, lots=added)
def test_when_uploads_have_ceased_the_stock_only_falls(held, lots):
    daily = history([*lots, *[0] * 28], tier="plus")
    expected = ahead(daily, stock(held, "plus"))["expected_bytes"]
    assert all(earlier >= later for earlier, later in pairwise(expected))


@given(held=added, lots=added)
def test_no_forecast_is_negative_or_outside_its_interval(held, lots):
    expected = ahead(history(lots), stock(held))
    assert (expected["low_bytes"] >= 0).all()
    assert (expected["low_bytes"] <= expected["expected_bytes"]).all()
    assert (expected["expected_bytes"] <= expected["high_bytes"]).all()


@given(lots=added)
def test_until_the_first_new_audio_leaves_the_interval_only_widens(lots):
    expected = guests(lots, days=GUEST_DAYS)
    above = list(expected["high_bytes"] - expected["expected_bytes"])
    assert above == pytest.approx(sorted(above), rel=1e-6, abs=1)


@pytest.mark.parametrize("lots", [[], [5]])
def test_less_than_two_days_allow_no_forecast(lots):
    expected = guests(lots)
    assert expected.is_empty()
    assert expected.schema == FORECAST


def test_the_interval_holds_about_95_percent_of_what_comes():
    random = np.random.default_rng(0)
    days, trials, inside = 30, 400, 0
    for _ in range(trials):
        lots = random.gamma(4, 250_000, 60 + days).astype(int)
        expected = guests(lots[:60].tolist(), days).row(-1, named=True)
        came = lots[-GUEST_DAYS:].sum()
        inside += expected["low_bytes"] <= came <= expected["high_bytes"]
    assert 0.92 <= inside / trials <= 0.98


def test_a_threshold_is_crossed_early_by_the_upper_end_and_late_by_the_lower():
    days = [TODAY + timedelta(days=n) for n in (1, 2, 3)]
    gb = [[1, 2, 3], [0, 1, 2], [2, 3, 4]]
    columns = [[BYTES_PER_GB * value for value in column] for column in gb]
    expected = pl.DataFrame([days, *columns], list(FORECAST), orient="col")
    reached = crossing(expected, threshold_gb=2, stock_bytes=0, today=TODAY)
    assert (reached.earliest, reached.expected, reached.latest) == tuple(days)
    beyond = crossing(expected, threshold_gb=3.5, stock_bytes=0, today=TODAY)
    assert (beyond.earliest, beyond.expected, beyond.latest) == (days[2], None, None)


@pytest.mark.parametrize(("more", "day"), [(-1, None), (0, TODAY)])
def test_a_threshold_is_reached_at_not_above_it(more, day):
    nothing = pl.DataFrame(schema=FORECAST)
    reached = crossing(nothing, threshold_gb=1, stock_bytes=BYTES_PER_GB + more, today=TODAY)
    assert reached.expected == reached.earliest == reached.latest == day
