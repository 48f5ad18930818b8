"""A hold and a deletion whose database session ends while its request is under way."""

import threading
import time

import pytest
import sqlalchemy as sa

from schema.errors.deletion import LearnerHeld
from schema.states import HoldScope
from stores.deletion import holds
from tasks.resources import database
from tests.support.erasing import erase, keep_versions
from tests.support.sweeping import AUDIO, DAY, is_in_bucket
from tests.tasks.holds.conftest import END_SESSIONS, left

MESSAGE, CONVERSATION, USER = HoldScope.MESSAGE, HoldScope.CONVERSATION, HoldScope.USER
OUTCOMES = pytest.mark.parametrize("goes_on", [True, False], ids=["goes through", "is lost"])
OWNERS = sa.text(
    "SELECT m.id, m.conversation_id, c.user_id FROM messages AS m"
    " JOIN conversations AS c ON c.id = m.conversation_id WHERE m.id = :id"
)


@pytest.fixture
def subject(engine):
    """Return the id that a hold of this scope on a message names."""

    def _subject(scope, message_id):
        with engine.connect() as connection:
            owners = connection.execute(OWNERS, {"id": message_id}).one()
        return dict(zip((MESSAGE, CONVERSATION, USER), owners, strict=True))[scope]

    return _subject


def settle(request, goes_on):
    request.go_on() if goes_on else request.drop()


@OUTCOMES
@pytest.mark.parametrize(
    "scope",
    [
        MESSAGE,
        pytest.param(CONVERSATION, marks=pytest.mark.slow),
        pytest.param(USER, marks=pytest.mark.slow),
    ],
)
def test_a_hold_says_what_became_of_a_deletion_that_lost_its_session(
    record, sweep, held_request, background, end_sessions, place, subject, stored, entries,
    scope, goes_on,
):  # fmt: skip
    message_id = record()
    key = stored(message_id).audio_storage_key
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, effect, told = place(
        scope, subject(scope, message_id), lambda: settle(held_request, goes_on)
    )
    swept.result(timeout=30)
    assert "Legal hold 1 is in force. 1 recording may be in the middle of a deletion" in told[0]
    if goes_on:
        assert (placed.protected, placed.already_deleted, placed.overtaken) == (0, 1, 1)
        assert "keeps 0 recordings; 1 had been deleted before it, 1 of them in" in effect
    else:
        assert (placed.protected, placed.already_deleted, placed.overtaken) == (1, 0, 0)
        assert effect == "Legal hold 1 keeps 1 recording; 0 had been deleted before it."
    assert is_in_bucket(key) is not goes_on
    assert (stored(message_id).audio_deleted_at is not None) is goes_on
    assert entries() == [("retention", "deleted" if goes_on else "withdrawn", message_id)]
    assert sweep().objects == 0
    assert is_in_bucket(key) is not goes_on


@pytest.mark.slow
@OUTCOMES
def test_a_hold_counts_the_recordings_of_all_its_pages_and_of_none_else(
    record, sweep, held_request, background, end_sessions, place, subject, stored, entries, goes_on
):
    ids = [record(due_for=(9 - number) * DAY) for number in range(3)]
    keys = [stored(message_id).audio_storage_key for message_id in ids]
    swept = background(sweep, page_size=2)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, *_ = place(USER, subject(USER, ids[0]), lambda: settle(held_request, goes_on))
    swept.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((1, 2) if goes_on else (3, 0))
    assert left(keys) == placed.protected
    assert sweep().objects == 0


@OUTCOMES
def test_an_orphan_is_settled_like_a_recording(
    add_orphan, sweep, held_request, background, end_sessions, place, queue, entries, goes_on
):
    key = add_orphan("orphan")
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, *_ = place(MESSAGE, "orphan", lambda: settle(held_request, goes_on))
    swept.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(key) is not goes_on
    assert queue() == ({} if goes_on else {key: None})
    assert entries() == [("orphan", "deleted" if goes_on else "withdrawn", "orphan")]


@pytest.mark.slow
@OUTCOMES
def test_a_hold_on_one_of_two_messages_that_share_an_object_is_told_the_truth(
    record, sweep, held_request, background, end_sessions, place, stored, goes_on
):
    key = "audio/user/c/shared.wav"
    first, second = (record(audio_storage_key=key, due_for=n * DAY) for n in (1, 2))
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, *_ = place(MESSAGE, first, lambda: settle(held_request, goes_on))
    swept.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(key) is not goes_on
    deleted = [stored(message_id).audio_deleted_at is not None for message_id in (first, second)]
    assert deleted[0] is goes_on


@OUTCOMES
@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_an_erasure_that_lost_its_session_is_settled_too(
    learner, add_recording, read_message, held_request, background, end_sessions, place,
    ledger_entries, versioned, goes_on,
):  # fmt: skip
    if versioned:
        keep_versions()
    message_id = add_recording(learner)
    key = read_message(message_id).audio_storage_key
    erased = background(erase, learner)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, *_ = place(USER, learner.user_id, lambda: settle(held_request, goes_on))
    with pytest.raises(LearnerHeld):
        erased.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(key) is not goes_on
    assert (read_message(message_id).audio_deleted_at is not None) is goes_on
    assert ledger_entries() == {("erasure", "deleted" if goes_on else "withdrawn"): 1}


@pytest.mark.slow
@OUTCOMES
def test_a_versioned_recording_is_settled_by_what_is_left_of_it(
    record, sweep, held_request, background, end_sessions, place, stored, entries, goes_on
):
    keep_versions()
    message_id = record()
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    placed, *_ = place(MESSAGE, message_id, lambda: settle(held_request, goes_on))
    swept.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(stored(message_id).audio_storage_key) is not goes_on
    assert entries() == [("retention", "deleted" if goes_on else "withdrawn", message_id)]


@pytest.mark.slow
@OUTCOMES
def test_a_session_that_postgres_ends_for_idling_loses_its_locks_as_well(
    record, sweep, held_request, background, place, stored, engine, goes_on
):
    @sa.event.listens_for(database.engine(), "begin")
    def idle_at_most(connection):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '300ms'")

    message_id = record()
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    with engine.begin() as connection:  # returns once the session of the deletion has ended
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": holds.ADVISORY_LOCK}
        )
    placed, *_ = place(MESSAGE, message_id, lambda: settle(held_request, goes_on))
    swept.result(timeout=30)
    assert (placed.protected, placed.already_deleted) == ((0, 1) if goes_on else (1, 0))
    assert is_in_bucket(stored(message_id).audio_storage_key) is not goes_on


@pytest.mark.slow
@OUTCOMES
def test_a_sweep_and_an_erasure_that_lose_their_sessions_at_once_are_both_settled(
    record, sweep, learner, add_recording, faulty_bucket, all_held, background, engine, place,
    stored, goes_on,
):  # fmt: skip
    swept, erased = record(), add_recording(learner)
    keys = [stored(message_id).audio_storage_key for message_id in (swept, erased)]
    running = [background(sweep), background(erase, learner)]
    while faulty_bucket.count("DeleteObjects") < 2:
        time.sleep(0.01)
    with engine.connect() as connection:
        assert connection.scalar(END_SESSIONS) == 2
    both_in_force = threading.Barrier(2, action=lambda: settle(all_held, goes_on))
    placed = [
        background(place, scope, subject, both_in_force.wait)
        for scope, subject in ((MESSAGE, swept), (USER, learner.user_id))
    ]
    protected = [hold.result(timeout=30)[0].protected for hold in placed]
    running[0].result(timeout=30)
    with pytest.raises(LearnerHeld):
        running[1].result(timeout=30)
    assert protected == [0 if goes_on else 1] * 2
    assert left(keys) == (0 if goes_on else 2)


def test_a_hold_without_a_deletion_under_way_does_not_wait(record, place):
    placed, effect, told = place(MESSAGE, record())
    assert (placed.protected, told) == (1, [])
    assert effect == "Legal hold 1 keeps 1 recording; 0 had been deleted before it."


def test_a_deletion_under_way_of_anothers_recording_does_not_delay_a_hold(
    record, sweep, held_request, background, end_sessions, place, subject, add_message
):
    record()
    other = add_message(audio_storage_key="audio/user/c/other.wav")
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()
    _, _, told = place(USER, subject(USER, other))
    assert told == []
    held_request.go_on()
    swept.result(timeout=30)


def test_a_new_recording_under_the_key_counts_as_kept(
    record, sweep, held_request, background, end_sessions, place, run_sql, stored, faulty_bucket
):
    message_id = record()
    key = stored(message_id).audio_storage_key
    swept = background(sweep)
    held_request.arrived.wait(timeout=30)
    end_sessions()

    def upload():
        held_request.go_on()
        swept.result(timeout=30)
        faulty_bucket.direct.put(key, AUDIO, "audio/wav")
        run_sql("UPDATE messages SET audio_deleted_at = NULL WHERE id = :id", id=message_id)

    placed, *_ = place(MESSAGE, message_id, upload)
    assert placed.protected == 1
    assert is_in_bucket(key)
