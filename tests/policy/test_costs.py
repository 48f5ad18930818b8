"""Storage costs, to the app's cent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CostRules
from policy.costs import BYTES_PER_GB, storage_cost_usd

sizes = st.integers(0, 10**15)
days = st.integers(0, 3650)


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
