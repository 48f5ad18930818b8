"""An object that several recordings share is deleted only with the last of them."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policy.configuration import AudioPolicy, CleanupRules
from policy.retention import should_delete_audio
from policy.sweep import Fate, SweepRules, judge, judge_alone
from tests.support.judged_recordings import (
    AS_OF,
    DAY,
    FINE,
    NOT_OURS,
    RULES,
    graces,
    recorded,
    recordings,
)

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
