"""Retention: the boundaries are exact to the microsecond, in any time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CleanupRules, RetentionDays
from policy.instants import FIRST, LAST
from policy.retention import (
    deletion_due,
    effective_expiry,
    owner_tier,
    retention_expiry,
    retention_period_days,
    should_delete_audio,
)
from schema.states import UserTier

TICK = timedelta(microseconds=1)
CREATED = datetime(2025, 10, 13, 12, 30, tzinfo=UTC)
START = datetime(2000, 1, 1, tzinfo=UTC)
ZONES = [UTC, *map(ZoneInfo, ("Asia/Tokyo", "Europe/Berlin", "America/St_Johns"))]

instants = st.builds(
    lambda offset, zone: (START + offset).astimezone(zone),
    st.timedeltas(timedelta(0), timedelta(days=36_500)),
    st.sampled_from(ZONES),
)
tiers = st.sampled_from(UserTier)


@pytest.mark.parametrize(
    ("tier", "days"),
    [("free", 30), ("plus", 90), ("premium", 365), ("guest", 1), ("system", 7)],
)
def test_each_tier_keeps_its_days(tier, days):
    assert retention_period_days(UserTier(tier)) == days
    assert retention_expiry(UserTier(tier), CREATED) == CREATED + timedelta(days=days)


def test_another_policy_changes_the_period():
    policy = AudioPolicy(retention_days=RetentionDays(free=31))
    assert retention_expiry(UserTier.FREE, CREATED, policy) == CREATED + timedelta(days=31)


def test_a_day_with_daylight_saving_has_24_hours_too():
    before = datetime(2025, 10, 25, 12, tzinfo=ZoneInfo("Europe/Berlin"))  # clocks go back at night
    assert retention_expiry(UserTier.GUEST, before) == datetime(2025, 10, 26, 10, tzinfo=UTC)


@given(instants, tiers)
def test_an_expiry_is_in_utc_and_does_not_depend_on_the_zone_it_was_asked_in(created_at, tier):
    expiry = retention_expiry(tier, created_at)
    assert expiry.tzinfo is UTC
    assert expiry == retention_expiry(tier, created_at.astimezone(UTC))


@given(instants, tiers, tiers)
def test_a_longer_period_never_expires_earlier(created_at, one, other):
    shorter, longer = sorted((one, other), key=retention_period_days)
    assert retention_expiry(shorter, created_at) <= retention_expiry(longer, created_at)


@given(instants, instants, tiers)
def test_a_later_message_never_expires_earlier(one, other, tier):
    earlier, later = sorted((one, other))
    assert retention_expiry(tier, earlier) <= retention_expiry(tier, later)


@given(instants, st.integers(0, 60))
def test_audio_goes_at_expiry_plus_grace_and_not_a_microsecond_earlier(expires_at, grace_days):
    policy = AudioPolicy(cleanup=CleanupRules(grace_period_days=grace_days))
    due = deletion_due(expires_at, policy)
    assert due - expires_at.astimezone(UTC) == timedelta(days=grace_days)
    assert should_delete_audio(expires_at, as_of=due, policy=policy)
    assert not should_delete_audio(expires_at, as_of=due - TICK, policy=policy)


@given(instants, instants, st.timedeltas(timedelta(0), timedelta(days=1000)))
def test_audio_once_due_stays_due(expires_at, as_of, later):
    if should_delete_audio(expires_at, as_of=as_of):
        assert should_delete_audio(expires_at, as_of=as_of.astimezone(UTC) + later)


@given(instants)
def test_audio_without_an_expiry_is_never_deleted(as_of):
    assert not should_delete_audio(None, as_of=as_of)


@given(st.none() | instants, instants, tiers)
def test_audio_never_ends_before_its_stored_end_nor_before_its_owners_period(
    stored, created_at, tier
):
    expiry = effective_expiry(stored, tier, created_at)
    assert expiry.tzinfo is UTC
    assert expiry >= retention_expiry(tier, created_at)
    assert stored is None or expiry >= stored
    assert expiry in {stored, retention_expiry(tier, created_at)}


@given(st.none() | instants, instants, tiers, tiers)
def test_a_longer_period_never_shortens_what_was_stored(stored, created_at, one, other):
    shorter, longer = sorted((one, other), key=retention_period_days)
    assert effective_expiry(stored, shorter, created_at) <= effective_expiry(
        stored, longer, created_at
    )


@given(instants, instants, tiers)
def test_storing_the_effective_end_changes_it_no_more(stored, created_at, tier):
    once = effective_expiry(stored, tier, created_at)
    assert effective_expiry(once, tier, created_at) == once


@pytest.mark.parametrize(
    ("role", "has_user", "current_tier", "tier"),
    [
        ("user", True, None, UserTier.FREE),
        ("assistant", True, None, UserTier.FREE),
        ("user", True, "", UserTier.FREE),
        ("user", True, "free", UserTier.FREE),
        ("user", True, "plus", UserTier.PLUS),
        ("assistant", True, "premium", UserTier.PREMIUM),
        ("user", False, None, UserTier.GUEST),
        ("assistant", False, None, UserTier.GUEST),
        ("system", True, "premium", UserTier.SYSTEM),
        ("system", False, None, UserTier.SYSTEM),
        ("user", True, "enterprise", None),
        ("user", True, "{plus}", None),
        ("user", True, "Premium", None),
        ("user", True, "guest", None),  # not a subscription tier
    ],
)
def test_the_tier_of_a_message(role, has_user, current_tier, tier):
    assert owner_tier(role, has_user=has_user, current_tier=current_tier) is tier


@pytest.mark.parametrize("moment", [FIRST, LAST, LAST - TICK])
@pytest.mark.parametrize("tier", UserTier)
def test_the_end_of_time_is_no_overflow(tier, moment):
    assert moment <= retention_expiry(tier, moment) <= LAST
    assert moment <= deletion_due(moment) <= LAST
    assert effective_expiry(LAST, tier, CREATED) == LAST
