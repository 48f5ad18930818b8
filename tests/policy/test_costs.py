"""Storage costs, to the app's cent."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import DEFAULT_POLICY, AudioPolicy, CostRules
from policy.costs import (
    BYTES_PER_GB,
    LoggedTraffic,
    MonthOfTraffic,
    PriceBookName,
    month_of_traffic,
    monthly_cost,
    prices_of,
    storage_cost_usd,
)
from schema.errors.reporting import PriceRefused
from schema.facts.costs import Transfer
from schema.states import TransferSource, UserTier

sizes = st.integers(0, 10**15)
days = st.integers(0, 3650)
NOTHING_LOGGED = LoggedTraffic(days=0, sent_bytes=0, reads=0, writes=0)


def traffic_of(sent_bytes):
    return MonthOfTraffic(Transfer(sent_bytes, TransferSource.STATED, 30), reads=0, writes=0)


@pytest.mark.parametrize(
    ("gb", "retention_days", "usd"),
    [(1, 30, 0.02), (9, 30, 0.18), (50, 365, 50 * 0.02 / 30 * 365), (0, 365, 0.0), (1, 0, 0.0)],
)
def test_a_gigabyte_for_thirty_days_costs_two_cents(gb, retention_days, usd):
    assert storage_cost_usd(gb * BYTES_PER_GB, retention_days) == pytest.approx(usd, rel=1e-12)


def test_a_decimal_gigabyte_costs_less_than_a_binary_one():
    assert round(storage_cost_usd(9 * 10**9, 30), 3) == 0.168


def test_the_price_comes_from_the_policy():
    policy = AudioPolicy(costs=CostRules(storage_usd_per_gb_month=0.06))
    assert storage_cost_usd(BYTES_PER_GB, 30, policy) == pytest.approx(0.06)


@given(sizes, sizes, days)
def test_two_sizes_together_cost_what_they_cost_apart(one, other, retention_days):
    apart = storage_cost_usd(one, retention_days) + storage_cost_usd(other, retention_days)
    assert storage_cost_usd(one + other, retention_days) == pytest.approx(apart)


@given(sizes, days, days)
def test_keeping_longer_never_costs_less(size, one, other):
    shorter, longer = sorted((one, other))
    assert storage_cost_usd(size, shorter) <= storage_cost_usd(size, longer)


@pytest.mark.parametrize(("size", "retention_days"), [(-1, 30), (1, -30)])
def test_a_negative_amount_is_refused(size, retention_days):
    with pytest.raises(ValueError, match="negative"):
        storage_cost_usd(size, retention_days)


def test_a_hundred_learners_of_thirty_minutes_cost_99_cents_of_whole_gigabytes():
    nine_gb = 100 * 30 * 3 / 1000 * BYTES_PER_GB
    cost = monthly_cost(nine_gb, traffic_of(nine_gb), prices_of())
    assert (cost.storage_usd, cost.transfer_usd, cost.requests_usd) == pytest.approx(
        (0.18, 0.81, 0)
    )
    assert round(cost.total_usd, 2) == 0.99


def test_the_same_minutes_cost_7_cents_less_as_gigabytes_are_counted_here():
    decimal = 100 * 30 * 3 * 10**6
    assert round(monthly_cost(decimal, traffic_of(decimal), prices_of()).total_usd, 2) == 0.92


def test_the_mixed_tiers_hold_22_gb_in_steady_state_not_12():
    learners = {UserTier.FREE: 70, UserTier.PLUS: 20, UserTier.PREMIUM: 10}
    mb_a_day = 30 * 3 / (365 / 12)
    days = DEFAULT_POLICY.retention_days
    gb = sum(count * mb_a_day * days.of(tier) for tier, count in learners.items()) / 1000
    assert round(gb, 1) == 22.3


@pytest.mark.parametrize(("gb", "usd"), [(12, 1.32), (15, 1.65)])
def test_a_dollar_65_is_what_15_gigabytes_cost(gb, usd):
    cost = monthly_cost(gb * BYTES_PER_GB, traffic_of(gb * BYTES_PER_GB), prices_of())
    assert cost.total_usd == pytest.approx(usd)


def test_tigris_sends_for_nothing_and_bills_requests():
    traffic = month_of_traffic(
        uploaded_bytes=BYTES_PER_GB, uploaded_objects=2000, logged=NOTHING_LOGGED
    )
    cost = monthly_cost(BYTES_PER_GB, traffic, prices_of(PriceBookName.TIGRIS))
    assert cost.transfer_usd == 0
    assert cost.requests_usd == pytest.approx(2 * 0.005 + 2 * 0.0005)


@pytest.mark.parametrize(("sent_gb", "usd"), [(99, 0.0), (100, 0.0), (101, 0.09)])
def test_s3_sends_the_first_hundred_gigabytes_for_nothing(sent_gb, usd):
    cost = monthly_cost(0, traffic_of(sent_gb * BYTES_PER_GB), prices_of(PriceBookName.S3))
    assert cost.transfer_usd == pytest.approx(usd)


def test_a_price_of_zero_is_valid_and_marks_the_price_book_as_changed():
    free = prices_of(PriceBookName.S3, storage_usd_per_gb_month=0, transfer_usd_per_gb=0)
    assert free.name == "s3, changed"
    assert monthly_cost(10**15, traffic_of(10**15), free).transfer_usd == 0
    assert monthly_cost(10**15, traffic_of(10**15), free).storage_usd == 0


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["storage_usd_per_gb_month", "transfer_usd_per_gb"])
def test_an_invalid_price_is_refused(name, price):
    with pytest.raises(PriceRefused, match=name):
        prices_of(**{name: price})


def test_the_policys_own_prices_are_kaiwas():
    rules = CostRules(storage_usd_per_gb_month=0.5, transfer_usd_per_gb=0.25)
    book = prices_of(PriceBookName.KAIWA, rules)
    assert (book.storage_usd_per_gb_month, book.transfer_usd_per_gb) == (0.5, 0.25)


def test_a_stated_transfer_beats_the_log_and_the_log_an_estimate():
    logged = LoggedTraffic(days=10, sent_bytes=100, reads=10, writes=5)
    month = partial(month_of_traffic, uploaded_bytes=7, uploaded_objects=3)
    stated = month(logged=logged, stated_gb=2).transfer
    assert stated == Transfer(2 * BYTES_PER_GB, TransferSource.STATED, 30)
    by_log = month(logged=logged)
    assert by_log.transfer == Transfer(300, TransferSource.ACCESS_LOG, 10)
    assert (by_log.reads, by_log.writes) == (30, 15)
    guessed = month(logged=NOTHING_LOGGED)
    assert guessed.transfer == Transfer(7, TransferSource.ESTIMATE, 0)
    assert (guessed.reads, guessed.writes) == (3, 3)


def test_nothing_stated_is_zero_but_a_negative_statement_is_refused():
    zero = month_of_traffic(
        uploaded_bytes=7, uploaded_objects=3, logged=NOTHING_LOGGED, stated_gb=0
    )
    assert zero.transfer == Transfer(0, TransferSource.STATED, 30)
    with pytest.raises(PriceRefused, match="transferred_gb_month"):
        month_of_traffic(uploaded_bytes=7, uploaded_objects=3, logged=NOTHING_LOGGED, stated_gb=-1)
