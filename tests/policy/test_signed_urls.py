"""Presigned URLs: seven days, signed anew a day before, never longer than the audio."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy
from policy.retention import deletion_due, retention_expiry, should_delete_audio
from policy.signed_urls import (
    needs_signed_url_refresh,
    signed_url_expiry,
    signed_url_expiry_of_audio,
)
from schema.states import UserTier

TICK = timedelta(microseconds=1)
SIGNED = datetime(2025, 3, 29, 12, tzinfo=UTC)
START = datetime(2000, 1, 1, tzinfo=UTC)
ZONES = [UTC, *map(ZoneInfo, ("Asia/Tokyo", "Europe/Berlin"))]

instants = st.builds(
    lambda offset, zone: (START + offset).astimezone(zone),
    st.timedeltas(timedelta(0), timedelta(days=36_500)),
    st.sampled_from(ZONES),
)


def test_a_url_lives_seven_days_of_24_hours():
    assert (signed_url_expiry(SIGNED) - SIGNED).total_seconds() == 604_800
    in_berlin = SIGNED.astimezone(ZoneInfo("Europe/Berlin"))  # clocks go forward the next night
    assert signed_url_expiry(in_berlin) == signed_url_expiry(SIGNED)


def test_a_missing_url_is_signed():
    assert needs_signed_url_refresh(None, as_of=SIGNED)


@given(instants, st.integers(0, 6))
def test_a_url_is_signed_anew_from_its_lead_time_on_and_not_before(expires_at, lead_days):
    policy = AudioPolicy(signed_url_lead_time_days=lead_days)
    start = expires_at.astimezone(UTC) - timedelta(days=lead_days)
    assert needs_signed_url_refresh(expires_at, as_of=start, policy=policy)
    assert not needs_signed_url_refresh(expires_at, as_of=start - TICK, policy=policy)


@given(instants)
def test_a_fresh_url_needs_no_refresh(signed_at):
    assert not needs_signed_url_refresh(signed_url_expiry(signed_at), as_of=signed_at)


@given(instants, st.timedeltas(timedelta(days=-30), timedelta(days=30)))
def test_a_url_never_outlives_its_audio_and_is_never_stale_when_signed(signed_at, until_expiry):
    retention_expires_at = signed_at.astimezone(UTC) + until_expiry
    expiry = signed_url_expiry_of_audio(signed_at, retention_expires_at)
    if should_delete_audio(retention_expires_at, as_of=signed_at):
        assert expiry is None
    else:
        assert signed_at < expiry <= deletion_due(retention_expires_at)
        assert expiry <= signed_url_expiry(signed_at)


def test_a_guests_url_ends_with_the_guests_audio():
    audio_expires_at = retention_expiry(UserTier.GUEST, SIGNED)
    signed_later = SIGNED + timedelta(days=5)
    expiry = signed_url_expiry_of_audio(signed_later, audio_expires_at)
    assert expiry == SIGNED + timedelta(days=8)  # one day kept, seven of grace


def test_audio_without_an_expiry_gets_the_full_time():
    assert signed_url_expiry_of_audio(SIGNED, None) == signed_url_expiry(SIGNED)


@pytest.mark.parametrize(
    "ask",
    [
        signed_url_expiry,
        lambda naive: signed_url_expiry_of_audio(SIGNED, naive),
        lambda naive: needs_signed_url_refresh(naive, as_of=SIGNED),
        lambda naive: needs_signed_url_refresh(None, as_of=naive),
    ],
)
def test_a_naive_instant_is_refused(ask):
    with pytest.raises(ValueError, match="no time zone"):
        ask(SIGNED.replace(tzinfo=None))
