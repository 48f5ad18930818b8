"""The sweep with concurrent changes: a change between two steps keeps its recording."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from policy.sweep import Fate
from schema.states import UserTier
from stores.deletion import retention
from tasks.resources import database, storage
from tasks.sweep.orphans import sweep_orphans
from tasks.sweep.planning import plan_sweep
from tasks.sweep.recordings import UNPLANNED, sweep_recordings
from tests.support.faulty_bucket import calling_before
from tests.support.sessions import wait_for_a_blocked_session
from tests.support.sweeping import AUDIO, DAY, is_in_bucket

NEW_AUDIO = AUDIO + b"new"
ANNOUNCE = "UPDATE messages SET audio_processing_state = 'uploading' WHERE id = :id"
UPLOADED = (
    "UPDATE messages SET audio_processing_state = 'uploaded', audio_deleted_at = NULL,"
    " audio_retention_expires_at = now() + interval '30 days' WHERE id = :id"
)
UPGRADE = (
    "INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)"
    " SELECT user_id, user_id, 'price', 'premium' FROM conversations WHERE user_id IS NOT NULL"
)


@pytest.fixture
def meanwhile(engine, faulty_bucket):
    """Start a change at the deletion request; it has to wait until the deletion is over."""
    started = []

    def _meanwhile(function):
        def start(_):
            started.append(threading.Thread(target=function))
            started[0].start()
            wait_for_a_blocked_session(engine)
            assert started[0].is_alive()

        faulty_bucket.on("DeleteObjects", calling_before(start), times=1)
        return lambda: started[0].join(timeout=30)

    yield _meanwhile
    assert started
    assert not started[0].is_alive()


@contextmanager
def another_session(engine, statement, **values):
    """Leave a statement uncommitted until the end."""
    with engine.connect() as connection:
        connection.execute(sa.text(statement), values)
        yield
        connection.rollback()


def upload_again(key):
    storage.bucket().put(key, NEW_AUDIO, "audio/wav")


def is_the_new_one(key):
    return storage.bucket().get(key, max_bytes=9999) == NEW_AUDIO


# Holds


def test_a_hold_placed_after_the_page_was_found_keeps_its_recording(
    record, hold, rules, stored, entries
):
    message_id = record()
    page = find_page(rules)
    hold(message_id)
    report = sweep_recordings(page, rules, allowance=10, delete=storage.bucket().delete_many)
    assert (report.intended, report.kept) == (0, {Fate.HELD: 1})
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert stored(message_id).audio_url
    assert entries() == []


def find_page(rules):
    """Find due recordings as the sweep does."""
    return database.in_transaction(
        lambda connection: retention.find_expired(
            connection, before=rules.newest_expiry, after=retention.BEGINNING, limit=10
        )
    )


def test_a_hold_placed_between_intent_and_deletion_keeps_its_recording(
    record, hold, before_deleting, sweep, stored, entries
):
    held, other = record(), record(due_for=2 * DAY)
    before_deleting(lambda: hold(held))
    report = sweep()
    assert (report.objects, report.withdrawn) == (1, 1)
    assert is_in_bucket(stored(held).audio_storage_key)
    assert not stored(held).audio_deleted_at
    assert sorted(entries()) == [
        ("retention", "deleted", other),
        ("retention", "withdrawn", held),
    ]


def test_a_hold_waits_for_a_deletion_in_progress_and_reports_that_it_was_too_late(
    record, hold, meanwhile, sweep, entries
):
    message_id = record()
    placed = []
    wait = meanwhile(lambda: placed.append(hold(message_id)))
    assert sweep().objects == 1
    wait()
    assert (placed[0].protected, placed[0].already_deleted) == (0, 1)
    assert entries() == [("retention", "deleted", message_id)]


def test_a_hold_placed_before_an_orphans_deletion_keeps_it(
    add_orphan, hold, before_deleting, sweep, queue, entries
):
    key = add_orphan("orphan")
    before_deleting(lambda: hold("orphan"))
    report = sweep()
    assert (report.objects, report.withdrawn) == (0, 1)
    assert is_in_bucket(key)
    assert queue() == {key: None}
    assert entries() == [("orphan", "withdrawn", "orphan")]


# A new recording under the same key


def test_an_upload_announced_between_intent_and_deletion_keeps_the_object(
    record, before_deleting, run_sql, sweep, stored, entries
):
    message_id = record()
    key = stored(message_id).audio_storage_key
    before_deleting(lambda: run_sql(ANNOUNCE, id=message_id))
    report = sweep()
    assert (report.objects, report.withdrawn) == (0, 1)
    upload_again(key)
    run_sql(UPLOADED, id=message_id)
    assert sweep().objects == 0
    assert is_the_new_one(key)
    assert not stored(message_id).audio_deleted_at
    assert entries() == [("retention", "withdrawn", message_id)]


def test_an_upload_that_ended_between_intent_and_deletion_keeps_the_object(
    record, before_deleting, run_sql, sweep, stored
):
    message_id = record()
    key = stored(message_id).audio_storage_key

    def upload():
        run_sql(ANNOUNCE, id=message_id)
        upload_again(key)
        run_sql(UPLOADED, id=message_id)

    before_deleting(upload)
    assert sweep().withdrawn == 1
    assert is_the_new_one(key)


def test_an_upload_announced_during_a_deletion_waits_until_it_is_over(
    record, meanwhile, run_sql, sweep, stored, entries
):
    message_id = record()
    key = stored(message_id).audio_storage_key

    def upload():
        run_sql(ANNOUNCE, id=message_id)  # waits here
        upload_again(key)
        run_sql(UPLOADED, id=message_id)

    wait = meanwhile(upload)
    assert sweep().objects == 1
    wait()
    assert not stored(message_id).audio_deleted_at
    assert sweep().objects == 0
    assert is_the_new_one(key)
    assert entries() == [("retention", "deleted", message_id)]


def test_an_orphan_that_a_message_takes_up_before_its_deletion_stays(
    add_orphan, record, before_deleting, sweep, queue, entries
):
    key = add_orphan("orphan")
    before_deleting(lambda: record(due_for=-DAY, audio_storage_key=key))
    assert sweep().withdrawn == 1
    assert is_in_bucket(key)
    assert sweep().objects == 0
    assert queue() == {}
    assert entries() == [("orphan", "withdrawn", "orphan")]


# The owner's tier, the message, its key


def test_an_upgrade_between_intent_and_deletion_saves_the_audio(
    record, before_deleting, run_sql, sweep, stored
):
    message_id = record()
    before_deleting(lambda: run_sql(UPGRADE))
    report = sweep()
    assert (report.objects, report.withdrawn) == (0, 1)
    assert sweep().extended == 1
    assert is_in_bucket(stored(message_id).audio_storage_key)


def test_a_message_that_begins_to_share_the_object_before_the_deletion_saves_it(
    record, before_deleting, sweep, stored
):
    key = stored(record()).audio_storage_key
    before_deleting(lambda: record(due_for=-DAY, audio_storage_key=key))
    assert sweep().withdrawn == 1
    assert is_in_bucket(key)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM messages WHERE id = :id",
        "UPDATE messages SET audio_storage_key = NULL WHERE id = :id",
        "UPDATE messages SET audio_storage_key = 'audio/user/c/new.wav',"
        " audio_retention_expires_at = now() + interval '1 day' WHERE id = :id",
        "UPDATE messages SET audio_deleted_at = now() WHERE id = :id",
    ],
    ids=["deleted", "no key", "another key", "marked as deleted"],
)
def test_an_object_that_its_message_lets_go_of_before_the_deletion_is_deleted_once(
    record, before_deleting, run_sql, sweep, stored, queue, entries, change
):
    message_id = record()
    key = stored(message_id).audio_storage_key
    before_deleting(lambda: run_sql(change, id=message_id))
    report = sweep()
    assert (report.objects, report.kept) == (0, {UNPLANNED: 1})
    assert queue() == {key: None}
    sweep()
    assert not is_in_bucket(key)
    assert queue() == {}
    assert entries() == [("retention", "deleted", message_id)]


def test_a_message_that_the_app_deletes_during_the_deletion_leaves_nothing_behind(
    record, meanwhile, run_sql, sweep, queue, entries
):
    message_id = record()
    wait = meanwhile(lambda: run_sql("DELETE FROM messages"))
    assert sweep().objects == 1
    wait()
    assert queue() == {}
    assert entries() == [("retention", "deleted", message_id)]


def test_an_orphan_that_vanishes_from_the_queue_before_its_deletion_is_not_forgotten(
    add_orphan, before_deleting, run_sql, sweep, entries
):
    key = add_orphan("orphan")
    before_deleting(lambda: run_sql("DELETE FROM audio_ops.orphan_object"))
    assert sweep().objects == 0
    assert is_in_bucket(key)
    sweep()  # finds the intent, and plans for no orphan
    sweep()
    assert not is_in_bucket(key)
    assert entries() == [("orphan", "deleted", "orphan")]


# Locks of others


def test_a_message_being_written_is_skipped_and_others_are_not(
    record, engine, sweep, stored, entries
):
    busy, free = record(), record()
    refresh = "UPDATE messages SET audio_url = 'https://example.org/2' WHERE id = :id"
    with another_session(engine, refresh, id=busy):
        report = sweep()
    assert (report.objects, report.kept) == (1, {Fate.BUSY: 1})
    assert is_in_bucket(stored(busy).audio_storage_key)
    assert entries() == [("retention", "deleted", free)]
    assert sweep().objects == 1


def test_a_message_being_written_between_intent_and_deletion_waits_for_the_next_sweep(
    record, engine, before_deleting, sweep, stored, entries
):
    message_id = record()
    session = another_session(
        engine, "UPDATE messages SET content = content WHERE id = :id", id=message_id
    )
    before_deleting(session.__enter__)
    report = sweep()
    session.__exit__(None, None, None)
    assert (report.objects, report.withdrawn, report.kept) == (0, 0, {Fate.BUSY: 1})
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert entries() == [("retention", "intended", message_id)]
    assert sweep().objects == 1
    assert entries() == [("retention", "deleted", message_id)]


def test_a_shared_object_stays_while_one_of_its_messages_is_being_written(
    record, engine, sweep, stored
):
    key = "audio/user/c/shared.wav"
    ids = [record(audio_storage_key=key) for _ in range(2)]
    with another_session(engine, "UPDATE messages SET content = '' WHERE id = :id", id=ids[0]):
        report = sweep()
    assert (report.objects, report.shared, report.kept) == (0, 0, {Fate.BUSY: 1})
    assert is_in_bucket(key)
    assert not any(stored(message_id).audio_deleted_at for message_id in ids)


def test_a_url_signed_between_intent_and_deletion_goes_with_the_audio(
    record, before_deleting, run_sql, sweep, stored
):
    message_id = record()
    sign = "UPDATE messages SET audio_url = 'https://example.org/2', audio_url_expires_at = now()"
    before_deleting(lambda: run_sql(sign))
    assert sweep().objects == 1
    assert stored(message_id).audio_url is stored(message_id).audio_url_expires_at is None


def test_planning_waits_for_no_lock(record, engine, rules):
    record()
    with another_session(engine, "SELECT FROM messages FOR UPDATE"):
        assert plan_sweep.fn(rules).objects == 1


def test_two_sweeps_at_once_delete_nothing_twice(record, engine, sweep, entries, faulty_bucket):
    """Safety does not depend on the sweep's advisory lock, which neither takes here."""
    ids = [record(due_for=(1 + number) * timedelta(hours=1)) for number in range(40)]
    both = threading.Barrier(2)
    reports = []

    def run():
        both.wait()
        reports.append(sweep(page_size=3))

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    reports.append(sweep())
    assert sum(report.objects for report in reports) == 40
    assert sorted(entries()) == sorted(("retention", "deleted", id_) for id_ in ids)
    requested = [key for request in faulty_bucket.requests for key in request.deleted_keys]
    assert len(requested) == len(set(requested)) == 40


def test_a_second_sweep_passes_over_the_page_that_the_first_is_deleting(
    record, sweep, faulty_bucket, entries
):
    message_id = record()
    second = []
    faulty_bucket.on("DeleteObjects", calling_before(lambda _: second.append(sweep())), times=1)
    assert sweep().deleted == {UserTier.FREE: 1}
    assert (second[0].objects, second[0].kept) == (0, {Fate.BUSY: 1})
    assert entries() == [("retention", "deleted", message_id)]


def test_locked_orphans_are_skipped(add_orphan, engine):
    keys = [add_orphan("one"), add_orphan("two")]
    lock = "SELECT FROM audio_ops.orphan_object WHERE message_id = 'one' FOR UPDATE"
    with another_session(engine, lock):
        delete = storage.bucket().delete_many
        assert sweep_orphans(keys, allowance=10, delete=delete).orphans == 1
    assert is_in_bucket(keys[0])
    assert not is_in_bucket(keys[1])


def test_an_object_that_a_deleted_recordings_message_uploads_again_stays(record, sweep, now):
    key = "audio/user/c/shared.wav"
    record(audio_storage_key=key, audio_processing_state="uploading", audio_deleted_at=now)
    record(audio_storage_key=key)
    assert sweep().objects == 0
    assert is_in_bucket(key)
