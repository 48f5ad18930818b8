"""The app's helper functions under its names: plain strings, and now as the default time."""

from datetime import UTC, datetime, timedelta

import pytest

from policy.audio_retention import (
    calculate_audio_retention_expiry,
    calculate_signed_url_expiry,
    estimate_storage_cost,
    get_retention_period_days,
    needs_signed_url_refresh,
    should_delete_audio,
)

DAY = timedelta(days=1)
SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tier", "days"), [("free", 30), ("plus", 90), ("premium", 365), ("guest", 1), ("system", 7)]
)
def test_tiers_are_plain_strings(tier, days):
    assert get_retention_period_days(tier) == days
    assert calculate_audio_retention_expiry(tier, SENT) == SENT + days * DAY


def test_an_unknown_tier_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no tier 'Free'. The tiers are free, plus, premium"):
        get_retention_period_days("Free")


def test_the_default_time_is_now():
    before = datetime.now(UTC)
    expiries = (
        calculate_audio_retention_expiry("guest") - DAY,
        calculate_signed_url_expiry() - 7 * DAY,
    )
    assert all(before <= moment <= datetime.now(UTC) for moment in expiries)


def test_urls_and_audio_are_judged_by_now():
    now = datetime.now(UTC)
    assert [needs_signed_url_refresh(t) for t in (None, now + DAY / 2, now + 2 * DAY)] == [
        True,
        True,
        False,
    ]
    assert [should_delete_audio(t) for t in (None, now - 6 * DAY, now - 8 * DAY)] == [
        False,
        False,
        True,
    ]


def test_storage_costs_as_in_the_app():
    assert estimate_storage_cost(9 * 1024**3, 30) == pytest.approx(0.18)


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        calculate_audio_retention_expiry("free", datetime(2026, 3, 1))  # noqa: DTZ001 - naive
