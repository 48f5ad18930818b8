"""Objects that no message refers to: the sweep deletes them unless they are in use again."""

import pytest

from policy.sweep import Fate
from schema.states import HoldScope, UserTier
from tasks.resources import storage
from tests.support.sweeping import AUDIO, DAY, is_in_bucket


def test_an_orphan_is_deleted_and_leaves_the_queue(add_orphan, queue, sweep, entries):
    key = add_orphan("orphan")
    report = sweep()
    assert (report.orphans, report.orphan_bytes, report.objects) == (1, len(AUDIO), 1)
    assert not is_in_bucket(key)
    assert queue() == {}
    assert entries() == [("orphan", "deleted", "orphan")]


def test_orphans_go_page_after_page(add_orphan, hold, sweep):
    add_orphan("a")
    hold("a")
    for number in range(5):
        add_orphan(f"b{number}")
    report = sweep(page_size=2)
    assert (report.orphans, report.kept) == (5, {Fate.HELD: 1})


@pytest.mark.parametrize("scope", HoldScope)
def test_a_held_orphan_stays_until_the_hold_is_released(
    add_orphan, add_user, hold, queue, sweep, run_sql, scope
):
    learner = add_user()
    key = add_orphan("held", conversation_id="c", user_id=learner)
    hold({"message": "held", "conversation": "c", "user": learner}[scope], scope)
    report = sweep()
    assert (report.orphans, report.kept) == (0, {Fate.HELD: 1})
    assert is_in_bucket(key)
    assert queue() == {key: None}
    run_sql("UPDATE audio_ops.legal_hold SET released_at = now(), released_by = 'Sato'")
    assert sweep().orphans == 1


def test_an_orphan_of_an_unknown_owner_stays_while_any_learner_is_held(
    add_orphan, record, hold, sweep
):
    key = add_orphan("unknown", message_id=None)
    hold(record(due_for=-DAY))
    assert sweep().orphans == 0
    assert is_in_bucket(key)


def test_orphans_with_keys_that_are_not_ours_wait_for_a_person(
    add_orphan, queue, run_sql, sweep, entries
):
    foreign = "exports/report.wav"
    storage.bucket().put(foreign, AUDIO, "audio/wav")
    keys = {foreign, "audio/u/../a.wav", "audio/u/a\tb.wav"}
    for key in keys:
        run_sql(
            "INSERT INTO audio_ops.orphan_object (storage_key, source)"
            " VALUES (:key, 'reconciliation')",
            key=key,
        )
    other = add_orphan("other")
    report = sweep()
    assert (report.orphans, report.kept) == (1, {Fate.REFUSED_KEY: 3})
    assert is_in_bucket(foreign)
    assert not is_in_bucket(other)
    assert queue().keys() == keys
    assert all(len(why) > 20 for why in queue().values())
    assert sweep().objects == 0
    assert entries() == [("orphan", "deleted", "other")]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"audio_processing_state": "uploading"},
        # Its last recording is deleted; the next one is in the bucket, but not yet announced.
        {"audio_processing_state": "uploading", "audio_deleted_at": "now"},
    ],
    ids=["live", "uploading", "uploading again"],
)
def test_an_object_that_is_in_use_again_is_no_orphan(
    add_orphan, record, queue, sweep, entries, now, columns
):
    key = add_orphan("orphan")
    if "audio_deleted_at" in columns:
        columns = {**columns, "audio_deleted_at": now}
    record(due_for=-DAY, audio_storage_key=key, **columns)
    assert sweep().objects == 0
    assert is_in_bucket(key)
    assert queue() == {}
    assert entries() == []


def test_an_object_of_which_all_messages_are_deleted_softly_is_an_orphan(
    add_orphan, record, sweep, now
):
    key = add_orphan("orphan")
    record(due_for=-DAY, audio_storage_key=key, audio_deleted_at=now)
    assert sweep().orphans == 1
    assert not is_in_bucket(key)


# Messages that the app deletes


def test_the_recording_of_a_message_that_the_app_deletes_goes(record, stored, run_sql, sweep):
    key = stored(record(due_for=-DAY)).audio_storage_key
    run_sql("DELETE FROM messages")
    assert sweep().orphans == 1
    assert not is_in_bucket(key)


def test_a_shared_object_survives_the_app_deleting_one_of_its_messages(
    record, run_sql, queue, sweep, entries
):
    key = "audio/user/c/shared.wav"
    first, _ = (record(due_for=-DAY, audio_storage_key=key) for _ in range(2))
    run_sql("DELETE FROM messages WHERE id = :id", id=first)
    assert sweep().objects == 0
    assert is_in_bucket(key)
    assert queue() == {}
    run_sql("DELETE FROM messages")
    assert sweep().orphans == 1
    assert not is_in_bucket(key)
    assert len(entries()) == 1


def test_an_object_that_is_due_and_queued_is_deleted_once(
    record, run_sql, queue, sweep, entries, add_orphan
):
    """The app deletes one of two messages that share it on the day when the other is due."""
    key = "audio/user/c/shared.wav"
    add_orphan("another")  # so that the plan allows one more object
    deleted, due = (record(audio_storage_key=key) for _ in range(2))
    run_sql("DELETE FROM messages WHERE id = :id", id=deleted)
    report = sweep()
    assert (report.deleted, report.orphans) == ({UserTier.FREE: 1}, 1)
    assert queue() == {}
    assert entries() == [("retention", "deleted", due), ("orphan", "deleted", "another")]
    assert sweep().objects == 0


@pytest.mark.parametrize("due_for", [DAY, -3 * DAY], ids=["due", "not due yet"])
def test_a_hold_on_a_deleted_message_keeps_the_object_it_shared(
    record, hold, sweep, run_sql, queue, due_for
):
    key = "audio/user/c/shared.wav"
    gone = record(due_for=due_for, audio_storage_key=key)
    record(due_for=due_for, audio_storage_key=key)
    hold(gone)
    run_sql("DELETE FROM messages WHERE id = :id", id=gone)
    assert sweep().objects == 0
    assert is_in_bucket(key)
    assert queue().keys() == {key}
