"""The demo makes the right recordings old, and no other."""

from datetime import timedelta

import sqlalchemy as sa

from local.demo.old_recordings import AGE, OldRecording, choose, make_old
from local.demo.outcomes import Outcome
from local.demo.recordings import ANALYZED, FLAC, Learner, Recording
from policy.configuration import DEFAULT_POLICY
from schema.states import ProcessingState, UserTier
from schema.tables.app import Message
from stores.deletion import holds

GOOD = Outcome(ProcessingState.ANALYZED, None, 80, 70, 120)
SILENT = Outcome(ProcessingState.FAILED, "No speech.", None, None, None)


def recordings(*learners):
    """Map the learners' names, with a number each, to a recording of theirs."""
    return {
        f"{name}-{number}": Recording(
            learner=Learner(name, tier),
            text="Hello.",
            audio=b"",
            encoding=FLAC,
            duration_seconds=1.0,
            expected=ANALYZED,
        )
        for number, (name, tier) in enumerate(learners)
    }


def test_four_learners_are_chosen_and_only_those_whose_recording_was_analysed():
    uploaded = recordings(
        ("Tom", None),
        ("Maya", UserTier.FREE),
        ("Maya", UserTier.FREE),
        ("Callum", UserTier.PLUS),
        ("Oliver", None),
        ("Guest", UserTier.GUEST),
        ("Shanice", UserTier.PREMIUM),
    )
    outcomes = dict.fromkeys(uploaded, GOOD) | {"Tom-0": SILENT}
    assert choose(uploaded, outcomes) == [
        OldRecording("Guest-5", "Guest", UserTier.GUEST, is_held=False, goes=True),
        OldRecording("Maya-1", "Maya", UserTier.FREE, is_held=False, goes=True),
        OldRecording("Oliver-4", "Oliver", UserTier.FREE, is_held=True, goes=False),
        OldRecording("Shanice-6", "Shanice", UserTier.PREMIUM, is_held=False, goes=False),
    ]


def test_a_part_without_a_learner_is_left_out():
    uploaded = recordings(("Maya", UserTier.FREE), ("Maya", UserTier.FREE))
    chosen = choose(uploaded, dict.fromkeys(uploaded, GOOD))
    assert [recording.message_id for recording in chosen] == ["Maya-0"]


def test_the_age_is_beyond_a_free_learners_periods_and_within_a_premium_ones():
    grace = timedelta(days=DEFAULT_POLICY.cleanup.grace_period_days)
    free, premium = (
        timedelta(days=DEFAULT_POLICY.retention_days.of(tier)) + grace
        for tier in (UserTier.FREE, UserTier.PREMIUM)
    )
    assert free < AGE < premium


def test_time_passes_for_the_chosen_alone_and_the_held_one_is_held(engine, add_message, noon):
    old, held, other = (add_message(audio_retention_expires_at=noon) for _ in range(3))
    with engine.begin() as connection:
        before = read_times(connection)
        make_old(
            connection,
            [
                OldRecording(old, "Maya", UserTier.FREE, is_held=False, goes=True),
                OldRecording(held, "Oliver", UserTier.FREE, is_held=True, goes=False),
            ],
        )
        after = read_times(connection)
        active = holds.active(connection)
    for message_id in (old, held):
        assert after[message_id] == tuple(instant - AGE for instant in before[message_id])
    assert after[other] == before[other]
    assert [hold.subject_id for hold in active] == [held]


def read_times(connection):
    rows = connection.execute(
        sa.select(Message.id, Message.timestamp, Message.audio_retention_expires_at)
    )
    return {message_id: tuple(times) for message_id, *times in rows}
