"""What a sweep may delete: never more than retention, tier, holds and keys allow."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CleanupRules
from policy.retention import effective_expiry, owner_tier, should_delete_audio
from policy.sweep import (
    FAULTS,
    OVERDUE_AFTER,
    Fate,
    Judgement,
    SweepRules,
    expects_object,
    is_convincing,
    is_overdue,
    judge,
    judge_alone,
    judge_orphan,
    runaway,
)
from schema.facts.deletion import Orphan, Recording, SweepPlan
from schema.states import ProcessingState, UserTier

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
AS_OF = datetime(2026, 3, 29, 3, tzinfo=UTC)
RULES = SweepRules(AS_OF, 7 * DAY, soft_delete=True)
FINE = "audio/u/c/m.wav"
NOT_OURS = ("../x", "exports/report.wav", "audio/u/../x.wav", "audio/u/\n.wav", "")

# Close to the decision: most times drawn from all of time are long due or far from it.
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
    storage_key=st.sampled_from([FINE, *NOT_OURS]),
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


def recorded(**columns):
    """A free learner's recording that is just due, changed by `columns`."""
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


# Recordings that share objects


KEYS = (FINE, "audio/u/c/n.wav", "audio/u/c/o.wav")
# Mostly due, so that the laws are tested on many deletions.
due = st.builds(
    recorded,
    created_at=st.sampled_from([AS_OF - 400 * DAY, AS_OF - 37 * DAY]),
    retention_expires_at=st.sampled_from([AS_OF - 30 * DAY, AS_OF - 7 * DAY]),
)
anything = st.one_of(due, recordings)


@st.composite
def pages(draw):
    """Draw the live recordings of a few keys, ids in order, and which of the keys are busy."""
    drawn = draw(st.lists(st.tuples(anything, st.sampled_from([*KEYS, NOT_OURS[0]])), max_size=8))
    page = [
        replace(recording, message_id=f"m{number}", storage_key=key)
        for number, (recording, key) in enumerate(drawn)
    ]
    return page, draw(st.frozensets(st.sampled_from(KEYS), max_size=1))


def deleted(page, busy=frozenset(), rules=RULES):
    return judge(page, busy, rules).deletions.keys()


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages(), graces)
def test_no_object_is_deleted_while_any_of_its_recordings_must_stay(drawn, grace_days):
    page, busy = drawn
    rules = SweepRules(AS_OF, grace_days * DAY, soft_delete=True)
    policy = AudioPolicy(cleanup=CleanupRules(grace_period_days=grace_days))
    for key, judgements in judge(page, busy, rules).deletions.items():
        assert key not in busy
        assert key in KEYS
        sharing = [recording for recording in page if recording.storage_key == key]
        assert [judgement.recording for judgement in judgements] == sharing
        for recording in sharing:
            assert should_delete_audio(recording.retention_expires_at, as_of=AS_OF, policy=policy)
            assert not recording.held
            assert recording.processing_state != "uploading"


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages())
def test_a_recording_ends_only_when_it_is_due_itself(drawn):
    page, busy = drawn
    for judgement in judge(page, busy, RULES).of_recordings:
        alone = judge_alone(judgement.recording, RULES)
        if judgement.fate in {Fate.DELETE, Fate.SHARED, Fate.BUSY}:
            assert alone == replace(judgement, fate=Fate.DELETE)
            assert (judgement.fate is Fate.BUSY) == (judgement.key in busy)
        else:
            assert alone == judgement


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages())
def test_every_recording_is_judged_once_and_every_key_has_one_end(drawn):
    page, busy = drawn
    judged = judge(page, busy, RULES)
    assert [judgement.recording for judgement in judged.of_recordings] == page
    assert [judgement for fate in Fate for judgement in judged.with_fate(fate)] == sorted(
        judged.of_recordings, key=lambda judgement: [*Fate].index(judgement.fate)
    )
    keys = {*KEYS, *NOT_OURS}
    ends = Counter(
        [*judged.deletions, *judged.spared, *judged.without_recording(keys), *judged.busy]
    )
    assert ends == dict.fromkeys(keys, 1)


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages())
def test_an_object_outlives_a_recording_only_for_another_that_stays(drawn):
    page, busy = drawn
    judged = judge(page, busy, RULES)
    for judgement in judged.with_fate(Fate.SHARED):
        fates = {other.fate for other in judged.spared[judgement.key]}
        assert fates - {Fate.SHARED}
        assert not fates & {Fate.DELETE, Fate.BUSY}


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages(), st.data())
def test_other_keys_and_the_order_of_recordings_change_nothing(drawn, data):
    page, busy = drawn
    fates = {j.recording.message_id: j.fate for j in judge(page, busy, RULES).of_recordings}
    shuffled = data.draw(st.permutations(page))
    one_by_one = [
        [recording for recording in page if recording.storage_key == key] for key in (*KEYS, "../x")
    ]
    for parts in ([shuffled], one_by_one):
        judged = [j for part in parts for j in judge(part, busy, RULES).of_recordings]
        assert {j.recording.message_id: j.fate for j in judged} == fates


LATER = st.timedeltas(timedelta(0), 500 * DAY)


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages(), st.data())
@example(([recorded()], frozenset()), None)
def test_nothing_that_protects_a_recording_makes_another_object_go(drawn, data):
    page, busy = drawn
    before = deleted(page, busy)
    for number, recording in enumerate(page):
        wait = DAY if data is None else data.draw(LATER)
        expiry = recording.retention_expires_at
        for protected in (
            replace(recording, held=True),
            replace(recording, processing_state="uploading"),
            replace(recording, retention_expires_at=None),
            replace(recording, retention_expires_at=expiry and expiry + wait),
            replace(recording, created_at=recording.created_at + wait),
        ):
            after = deleted([*page[:number], protected, *page[number + 1 :]], busy)
            assert after <= before
        assert recording.storage_key not in deleted(
            [*page[:number], replace(recording, held=True), *page[number + 1 :]], busy
        )


@settings(deadline=None)  # a page takes longer on a busy machine
@given(pages(), anything, st.sampled_from(KEYS), LATER)
def test_a_sharer_a_claim_and_more_grace_can_only_save_objects(drawn, sharer, key, more):
    page, busy = drawn
    before = deleted(page, busy)
    sharer = replace(sharer, message_id="sharer", storage_key=key)
    assert deleted([*page, sharer], busy) - before <= {key} - {r.storage_key for r in page}
    held = replace(sharer, held=True, retention_expires_at=AS_OF - 400 * DAY)
    assert deleted([*page, held], busy) == before - {key}
    assert deleted(page, busy | {key}) == before - {key}
    longer = SweepRules(AS_OF, RULES.grace + more, soft_delete=True)
    assert deleted(page, busy, longer) <= before


@pytest.mark.parametrize(
    ("others", "busy", "fate"),
    [
        ({}, (), Fate.DELETE),
        ({"held": True}, (), Fate.SHARED),
        ({"retention_expires_at": None}, (), Fate.SHARED),
        ({"current_tier": "premium"}, (), Fate.SHARED),
        ({"current_tier": "enterprise"}, (), Fate.SHARED),
        ({"processing_state": "uploading"}, (), Fate.SHARED),
        ({}, (FINE,), Fate.BUSY),
        ({"held": True}, (FINE,), Fate.BUSY),
        ({}, ("audio/u/c/n.wav",), Fate.DELETE),
    ],
)
def test_the_fate_of_a_due_recording_whose_object_another_one_shares(others, busy, fate):
    judged = judge([recorded(), recorded(message_id="n", **others)], busy, RULES)
    assert judged.of_recordings[0].fate is fate


# Objects that no message refers to


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


# The runaway guard


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
    assert is_overdue(Judgement(recorded(), fate, UserTier.FREE, expires_at), RULES) is overdue


@pytest.mark.parametrize(
    ("objects", "live", "max_objects", "max_share_percent", "runs_away"),
    [
        (20, 100, None, 20.0, False),  # exactly the allowed share
        (21, 100, None, 20.0, True),
        (1, 3, None, 33.3, True),
        (100, 100, None, 100.0, False),
        (0, 0, None, 20.0, False),
        (0, 0, 0, 0.0, False),
        (1, 0, None, 100.0, True),  # more than all live recordings
        (1, 1000, None, 0.0, True),
        (10, 1000, 10, 20.0, False),  # exactly the allowed number
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
