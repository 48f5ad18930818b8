"""The fate of a recording or an orphan: as retention, tier, holds and keys allow."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CleanupRules
from policy.retention import effective_expiry, owner_tier, should_delete_audio
from policy.sweep import Fate, SweepRules, expects_object, judge_alone, judge_orphan
from schema.facts.deletion import Orphan
from schema.states import ProcessingState
from tests.support.judged_recordings import (
    AS_OF,
    DAY,
    FINE,
    NOT_OURS,
    RULES,
    TICK,
    graces,
    recorded,
    recordings,
)


@given(recordings, graces)
def test_deleted_recordings_are_due_by_stored_expiry_and_by_tier(recording, grace_days):
    judged = judge_alone(recording, SweepRules(AS_OF, grace_days * DAY, soft_delete=True))
    if judged.fate is not Fate.DELETE:
        return
    policy = AudioPolicy(cleanup=CleanupRules(grace_period_days=grace_days))
    tier = owner_tier(
        recording.role, has_user=recording.has_user, current_tier=recording.current_tier
    )
    by_both = effective_expiry(recording.retention_expires_at, tier, recording.created_at)
    assert (judged.tier, judged.expires_at) == (tier, by_both)
    for expiry in (recording.retention_expires_at, by_both):
        assert should_delete_audio(expiry, as_of=AS_OF, policy=policy)
    assert not recording.held
    assert recording.processing_state != "uploading"
    assert recording.storage_key == FINE


@given(recordings)
def test_a_due_recording_that_is_kept_has_a_reason(recording):
    judged = judge_alone(recording, RULES)
    due = should_delete_audio(recording.retention_expires_at, as_of=AS_OF)
    assert (judged.fate is Fate.KEEP) is not due
    if due and judged.fate is Fate.EXTEND:
        assert judged.expires_at > RULES.newest_expiry >= recording.retention_expires_at


@given(recordings, st.timedeltas(timedelta(0), 500 * DAY))
def test_waiting_makes_nothing_less_due(recording, wait):
    later = SweepRules(AS_OF + wait, RULES.grace, soft_delete=True)
    if judge_alone(recording, RULES).fate is Fate.DELETE:
        assert judge_alone(recording, later).fate is Fate.DELETE


@given(recordings)
def test_premium_never_shortens_what_one_has(recording):
    kept = {Fate.KEEP, Fate.EXTEND, Fate.HELD}
    if judge_alone(recording, RULES).fate in kept:
        assert judge_alone(replace(recording, current_tier="premium"), RULES).fate in kept


@pytest.mark.parametrize(
    ("columns", "fate"),
    [
        ({}, Fate.DELETE),
        ({"retention_expires_at": AS_OF - 7 * DAY + TICK}, Fate.KEEP),
        ({"retention_expires_at": None}, Fate.KEEP),
        ({"created_at": AS_OF - 37 * DAY + TICK}, Fate.EXTEND),
        ({"current_tier": "plus"}, Fate.EXTEND),
        ({"current_tier": "plus", "role": "system"}, Fate.DELETE),
        ({"current_tier": "enterprise"}, Fate.UNKNOWN_TIER),
        ({"current_tier": "enterprise", "held": True}, Fate.HELD),  # a hold takes precedence
        ({"held": True}, Fate.HELD),
        ({"held": True, "current_tier": "premium"}, Fate.HELD),
        ({"held": True, "retention_expires_at": None}, Fate.KEEP),
        ({"processing_state": "uploading"}, Fate.UPLOADING),
        ({"storage_key": "../x"}, Fate.REFUSED_KEY),
        ({"processing_state": "pending"}, Fate.DELETE),
        ({"processing_state": None}, Fate.DELETE),
    ],
)
def test_the_fate_of_a_recording(columns, fate):
    assert judge_alone(recorded(**columns), RULES).fate is fate


def test_a_wall_clock_that_jumps_changes_nothing():
    """Europe's clocks go forward on 29 March 2026, at 01:00 UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    ends_at = AS_OF - 7 * DAY
    for as_of, fate in ((AS_OF, Fate.DELETE), (AS_OF - TICK, Fate.KEEP)):
        rules = SweepRules(as_of.astimezone(berlin), 7 * DAY, soft_delete=True)
        recording = recorded(
            created_at=ends_at.astimezone(berlin) - 40 * DAY,
            retention_expires_at=ends_at.astimezone(berlin),
        )
        assert judge_alone(recording, rules).fate is fate


def test_a_naive_instant_is_refused():
    rules = SweepRules(AS_OF.replace(tzinfo=None), 7 * DAY, soft_delete=True)
    with pytest.raises(ValueError, match="no time zone"):
        judge_alone(recorded(), rules)


@pytest.mark.parametrize("key", [FINE, *NOT_OURS])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("in_use", [False, True])
def test_an_orphan_is_deleted_when_it_is_ours_and_neither_held_nor_used(key, held, in_use):
    orphan = Orphan(key, "m", 1, AS_OF, held=held, in_use=in_use)
    fate = judge_orphan(orphan)
    assert (fate is Fate.DELETE) == (key == FINE and not held and not in_use)
    assert (fate is Fate.IN_USE) == (in_use and not held)  # only then may it leave the queue
    assert (fate is Fate.REFUSED_KEY) == (key != FINE and not in_use)


@pytest.mark.parametrize("state", [None, *ProcessingState])
def test_an_object_may_be_missing_until_its_upload_has_ended(state):
    assert expects_object(recorded(processing_state=state)) is (
        state not in {"pending", "uploading"}
    )
