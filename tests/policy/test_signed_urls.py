"""Presigned URLs: seven days, re-signed a day before expiry, never longer than the audio."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy
from policy.retention import deletion_due, retention_expiry, should_delete_audio
from policy.signed_urls import (
    Leave,
    Sign,
    deletion_due_until,
    needs_signed_url_refresh,
    signed_url_expiry,
    signed_url_expiry_of_audio,
    signed_url_verdict,
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
def test_a_url_is_renewed_from_its_lead_time_on_and_not_before(expires_at, lead_days):
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


# The decision

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
GRACE = timedelta(days=7)
nearby = st.timedeltas(timedelta(days=-30), timedelta(days=30))


@given(
    instants.map(lambda moment: moment.replace(microsecond=0)),
    st.none() | nearby,
    st.none() | nearby,
    st.none() | st.timedeltas(SECOND, timedelta(days=30)),
    st.booleans(),
)
def test_a_new_url_ends_before_its_audio_and_its_credentials_and_later_than_the_old_one(
    as_of, url_ends_in, audio_expires_in, credentials_end_in, deletion_begun
):
    start = as_of.astimezone(UTC)
    expires_at, retention_expires_at, credentials_expire_at = (
        None if span is None else start + span
        for span in (url_ends_in, audio_expires_in, credentials_end_in)
    )
    verdict = signed_url_verdict(
        expires_at,
        retention_expires_at,
        deletion_begun=deletion_begun,
        as_of=as_of,
        credentials_expire_at=credentials_expire_at,
    )
    if isinstance(verdict, Sign):
        ends_at = start + verdict.expires_in_seconds * SECOND
        assert 1 <= verdict.expires_in_seconds <= 604_800
        assert not deletion_begun
        assert needs_signed_url_refresh(expires_at, as_of=as_of)
        assert expires_at is None or ends_at > expires_at
        assert retention_expires_at is None or ends_at <= deletion_due(retention_expires_at)
        assert credentials_expire_at is None or ends_at <= credentials_expire_at
        again = signed_url_verdict(
            ends_at,
            retention_expires_at,
            as_of=as_of,
            credentials_expire_at=credentials_expire_at,
        )
        assert again is Leave.FRESH
    elif verdict is Leave.FRESH:
        assert expires_at is not None
    else:
        assert deletion_begun or deletion_due(retention_expires_at) - start < SECOND


@pytest.mark.parametrize(
    ("expires_in", "audio_kept_for", "credentials_for", "verdict"),
    [
        (None, None, None, Sign(604_800)),
        (DAY, None, None, Sign(604_800)),
        (DAY + TICK, None, None, Leave.FRESH),
        (None, 3 * DAY, None, Sign(3 * 86_400)),
        (None, SECOND, None, Sign(1)),
        (None, SECOND - TICK, None, Leave.AUDIO_DUE),
        (None, timedelta(0), None, Leave.AUDIO_DUE),
        (-DAY, timedelta(0), None, Leave.AUDIO_DUE),
        (timedelta(hours=3), timedelta(hours=3), None, Leave.FRESH),
        (timedelta(hours=3) - SECOND, timedelta(hours=3), None, Sign(10_800)),
        (None, None, timedelta(hours=1), Sign(3600)),
        (timedelta(hours=1), None, timedelta(hours=1, microseconds=7), Leave.FRESH),
        (timedelta(hours=1), None, timedelta(hours=2), Sign(7200)),
    ],
)
def test_a_url_is_signed_if_a_new_one_is_wanted_and_would_live_longer(
    expires_in, audio_kept_for, credentials_for, verdict
):
    assert (
        signed_url_verdict(
            None if expires_in is None else SIGNED + expires_in,
            None if audio_kept_for is None else SIGNED + audio_kept_for - GRACE,
            as_of=SIGNED,
            credentials_expire_at=None if credentials_for is None else SIGNED + credentials_for,
        )
        == verdict
    )


def test_audio_that_is_being_deleted_gets_no_url():
    assert signed_url_verdict(None, None, deletion_begun=True, as_of=SIGNED) is Leave.AUDIO_DUE


@given(instants, instants)
def test_recordings_skipped_by_a_refresh_are_due(as_of, retention_expires_at):
    due = should_delete_audio(retention_expires_at, as_of=as_of)
    assert (retention_expires_at <= deletion_due_until(as_of)) == due


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
