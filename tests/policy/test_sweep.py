"""What a sweep may delete: never more than retention, tier, holds and keys allow."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CleanupRules
from policy.retention import effective_expiry, owner_tier, should_delete_audio
from policy.sweep import (
    FAULTS,
    OVERDUE_AFTER,
    Fate,
    SweepRules,
    Verdict,
    is_convincing,
    is_overdue,
    objects_to_delete,
    runaway,
    verdict,
)
from schema.facts.deletion import Recording, SweepPlan
from schema.states import ProcessingState, UserTier

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
AS_OF = datetime(2026, 3, 29, 3, tzinfo=UTC)
RULES = SweepRules(AS_OF, 7 * DAY, soft_delete=True)
FINE = "audio/u/c/m.wav"

# Around the decision: most of what is drawn from all of time is either long due or far from it.
ages = st.one_of(
    st.timedeltas(timedelta(0), 500 * DAY),
    st.builds(
        lambda days, ticks: days * DAY + ticks * TICK,
        st.sampled_from([0, 1, 7, 8, 14, 30, 37, 90, 97, 365, 372]),
        st.integers(-1, 1),
    ),
)
instants = ages.map(lambda age: AS_OF - age)
current_tiers = st.sampled_from(["free", "plus", "premium", None, "", "enterprise", "guest"])
recordings = st.builds(
    Recording,
    message_id=st.just("m"),
    storage_key=st.sampled_from([FINE, "../x"]),
    role=st.sampled_from(["user", "assistant", "system"]),
    created_at=instants,
    has_user=st.booleans(),
    current_tier=current_tiers,
    retention_expires_at=st.none() | instants,
    size_bytes=st.none(),
    processing_state=st.none() | st.sampled_from([*ProcessingState]),
    held=st.booleans(),
)
graces = st.integers(0, 30)


def refusal(key):
    return None if key == FINE else "not ours"


def recorded(**columns):
    """A free learner's recording that is just due, but for `columns`."""
    facts = {
        "message_id": "m",
        "storage_key": FINE,
        "role": "user",
        "created_at": AS_OF - 37 * DAY,
        "has_user": True,
        "current_tier": None,
        "retention_expires_at": AS_OF - 7 * DAY,
        "size_bytes": 1,
        "processing_state": "analyzed",
        "held": False,
    }
    return Recording(**{**facts, **columns})


def planned(objects, live):
    return SweepPlan(
        live=live,
        due=Counter({UserTier.FREE: objects}),
        due_bytes=Counter(),
        orphans=0,
        orphan_bytes=0,
        kept=Counter(),
        without_expiry=0,
        oldest_due_at=None,
        overdue=0,
        digest="",
        sample=(),
    )


# One recording


@given(recordings, graces)
def test_what_is_deleted_is_due_by_its_stored_end_and_by_its_owners_tier(recording, grace_days):
    said = verdict(recording, SweepRules(AS_OF, grace_days * DAY, soft_delete=True), refusal)
    if said.fate is not Fate.DELETE:
        return
    policy = AudioPolicy(cleanup=CleanupRules(grace_period_days=grace_days))
    tier = owner_tier(
        recording.role, has_user=recording.has_user, current_tier=recording.current_tier
    )
    by_both = effective_expiry(recording.retention_expires_at, tier, recording.created_at)
    assert (said.tier, said.expires_at) == (tier, by_both)
    for expiry in (recording.retention_expires_at, by_both):
        assert should_delete_audio(expiry, as_of=AS_OF, policy=policy)
    assert not recording.held
    assert recording.processing_state != "uploading"
    assert refusal(recording.storage_key) is None


@given(recordings)
def test_what_is_due_and_not_deleted_has_a_reason(recording):
    said = verdict(recording, RULES, refusal)
    due = should_delete_audio(recording.retention_expires_at, as_of=AS_OF)
    assert (said.fate is Fate.KEEP) is not due
    if due and said.fate is Fate.EXTEND:
        assert said.expires_at > RULES.newest_expiry >= recording.retention_expires_at


@given(recordings, st.timedeltas(timedelta(0), 500 * DAY))
def test_waiting_makes_nothing_less_due(recording, wait):
    later = SweepRules(AS_OF + wait, RULES.grace, soft_delete=True)
    if verdict(recording, RULES, refusal).fate is Fate.DELETE:
        assert verdict(recording, later, refusal).fate is Fate.DELETE


@given(recordings)
def test_premium_never_shortens_what_one_has(recording):
    kept = {Fate.KEEP, Fate.EXTEND, Fate.HELD, Fate.UNKNOWN_TIER}
    if verdict(recording, RULES, refusal).fate in kept:
        assert verdict(replace(recording, current_tier="premium"), RULES, refusal).fate in kept


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
        ({"current_tier": "enterprise", "held": True}, Fate.HELD),  # nothing is wrong with it
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
    assert verdict(recorded(**columns), RULES, refusal).fate is fate


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
        assert verdict(recording, rules, refusal).fate is fate


def test_a_naive_instant_is_refused():
    rules = SweepRules(AS_OF.replace(tzinfo=None), 7 * DAY, soft_delete=True)
    with pytest.raises(ValueError, match="no time zone"):
        verdict(recorded(), rules, refusal)


# Objects of several messages


fates = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*Fate])), max_size=12)


@given(fates)
@example([("a", Fate.DELETE), ("a", Fate.HELD)])
def test_an_object_goes_just_when_all_of_its_messages_do(found):
    doomed = objects_to_delete(found)
    for key in {key for key, _ in found}:
        assert (key in doomed) == all(fate is Fate.DELETE for other, fate in found if other == key)


# What a person must look at


@pytest.mark.parametrize(
    ("fate", "expires_at", "overdue"),
    [
        (Fate.DELETE, RULES.newest_expiry - OVERDUE_AFTER, True),
        (Fate.DELETE, RULES.newest_expiry - OVERDUE_AFTER + TICK, False),
        (Fate.DELETE, None, False),
        *((fault, RULES.newest_expiry - 4 * DAY, True) for fault in sorted(FAULTS)),
        *(
            (kept, RULES.newest_expiry - 4 * DAY, False)
            for kept in (Fate.KEEP, Fate.EXTEND, Fate.HELD)
        ),
    ],
)
def test_audio_is_overdue_three_days_after_it_should_have_gone(fate, expires_at, overdue):
    assert is_overdue(Verdict(fate, UserTier.FREE, expires_at), RULES) is overdue


@pytest.mark.parametrize(
    ("objects", "live", "max_objects", "max_share_percent", "runs_away"),
    [
        (20, 100, None, 20.0, False),  # exactly the share is fine
        (21, 100, None, 20.0, True),
        (1, 3, None, 33.3, True),
        (100, 100, None, 100.0, False),
        (0, 0, None, 20.0, False),
        (0, 0, 0, 0.0, False),
        (1, 0, None, 100.0, True),  # more than there is
        (1, 1000, None, 0.0, True),
        (10, 1000, 10, 20.0, False),  # exactly the number is fine
        (11, 1000, 10, 20.0, True),
        (1, 1000, 0, 20.0, True),
    ],
)
def test_a_sweep_runs_away_above_the_share_or_the_number(
    objects, live, max_objects, max_share_percent, runs_away
):
    reason = runaway(
        planned(objects, live), max_objects=max_objects, max_share_percent=max_share_percent
    )
    assert (reason is not None) is runs_away
    assert reason is None or f"{objects:,}" in reason


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0, 100))
def test_more_objects_never_run_away_less(objects, more, share):
    def asks(count):
        return runaway(planned(count, 10**7), max_objects=None, max_share_percent=share)

    if asks(objects):
        assert asks(objects + more)


@pytest.mark.parametrize(
    ("found", "sampled", "convincing"),
    [(0, 0, False), (0, 1, False), (1, 1, True), (1, 2, True), (1, 3, False), (10, 20, True)],
)
def test_half_of_a_sample_convinces(found, sampled, convincing):
    assert is_convincing(found, sampled) is convincing
