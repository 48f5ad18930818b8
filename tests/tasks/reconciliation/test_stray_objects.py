"""Objects uploaded before their message was saved: which message adopts them, and which not."""

import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest
import soundfile
import sqlalchemy as sa

from schema.errors.reconciliation import ListingOvertaken
from schema.errors.storage import StorageUnavailable
from schema.facts.bucket import Stray
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState, HoldScope
from stores.analysis import leases
from stores.deletion import ledger
from stores.reconciliation import stray_objects
from tasks.reconciliation import adoption
from tasks.reconciliation.adoption import adopt_page
from tasks.reconciliation.findings import compare
from tasks.reconciliation.found_recordings import measure
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.sweep.sweep_retention import set_missing_expiries
from tests.support.faulty_bucket import answered
from tests.support.sweeping import is_in_bucket
from tests.tasks.conftest import ALL_ARE_OLD, NONE_IS_OLD

pytestmark = pytest.mark.usefixtures("stage")

EPOCH_MS = 1_760_000_000_000
PCM = bytes(48_000)  # 1 s


def key_of(owner, conversation_id, message_id, epoch_ms=EPOCH_MS):
    return f"audio/{owner}/{conversation_id}/{message_id}_{epoch_ms}.wav"


@pytest.fixture
def learner(add_user):
    return add_user()


@pytest.fixture
def conversation(add_conversation, learner):
    return add_conversation(user_id=learner)


@pytest.fixture
def save(add_message, conversation):
    """Save a message as the app does when a conversation ends: without its recording."""

    def _save(message_id="m", **columns):
        return add_message(
            id=message_id,
            **{
                "conversation_id": conversation,
                "audio_storage_key": None,
                "audio_format": None,
                "audio_processing_state": "pending",
                **columns,
            },
        )

    return _save


@pytest.fixture
def stray(put, learner, conversation):
    """Upload an object for a message of the learner; return the key."""

    def _stray(message_id="m", data=PCM, *, epoch_ms=EPOCH_MS, content_type="audio/pcm16"):
        return put(key_of(learner, conversation, message_id, epoch_ms), data, content_type)

    return _stray


@pytest.fixture
def queued(run_sql):
    """Queue an object, as an earlier reconciliation did."""

    def _queued(key, source="reconciliation"):
        run_sql(
            "INSERT INTO audio_ops.orphan_object (storage_key, source) VALUES (:key, :source)",
            key=key,
            source=source,
        )
        return key

    return _queued


@pytest.fixture
def in_ledger(engine):
    """Enter the deletion of a key into the ledger, up to a state."""

    def _in_ledger(key, state):
        with engine.begin() as connection:
            ledger.intend(connection, [IntendedDeletion(key, None, DeletionReason.ORPHAN)])
            if state is not DeletionState.INTENDED:
                ledger.finish(connection, {key: state})

    return _in_ledger


def encoded(**how):
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, 96_000), 48_000, **how)
    return file.getvalue()


# Adopted objects


def test_an_object_uploaded_before_its_message_was_saved_is_given_to_it(
    stray, save, reconcile, stored, queue
):
    key = stray()
    save(audio_processing_error="There was no recording.")
    report = reconcile(repair=True)
    assert (report.adopted, report.findings) == (1, ())
    message = stored("m")
    assert message.audio_storage_key == key
    assert message.audio_size_bytes == 48_000
    assert message.audio_duration_ms == 1000
    assert message.audio_format == "pcm16"
    assert (message.audio_sample_rate, message.audio_channels) == (24_000, 1)
    assert message.audio_processing_state == "uploaded"
    assert message.audio_processing_error is None
    assert message.audio_retention_expires_at is None
    assert queue() == {}


def test_an_adopted_recording_is_analysed_and_gets_its_end_from_the_sweep(
    stray, save, reconcile, stored, engine
):
    stray()
    save()
    reconcile(repair=True)
    with engine.begin() as connection:
        claim = leases.claim(
            connection, limit=9, owner="test", duration=timedelta(minutes=1), languages=["en"]
        )
    assert [message.message_id for message in claim.messages] == ["m"]
    assert set_missing_expiries.fn() == 1
    message = stored("m")
    assert message.audio_retention_expires_at > message.timestamp


def test_without_repair_it_is_counted_and_stays_as_it_is(stray, save, reconcile, stored):
    stray()
    stray("other")
    save()
    before = stored("m")
    report = reconcile()
    assert report.adopted == 1
    assert report.findings[0].count == 2
    assert stored("m") == before


def test_a_guests_object_has_no_owner(put, save, add_conversation, reconcile, stored):
    conversation = add_conversation(user_id=None, guest_id="anonymous")
    key = put(key_of("anonymous", conversation, "m"))
    save(conversation_id=conversation)
    assert reconcile(repair=True).adopted == 1
    assert stored("m").audio_storage_key == key


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_message_of_any_role_adopts(stray, save, reconcile, role):
    stray()
    save(role=role)
    assert reconcile(repair=True).adopted == 1


@pytest.mark.parametrize("state", ["pending", "uploading", "failed", None])
def test_a_message_in_any_state_adopts(stray, save, reconcile, stored, state):
    stray()
    save(audio_processing_state=state)
    assert reconcile(repair=True).adopted == 1
    assert stored("m").audio_processing_state == "uploaded"


def test_a_young_object_is_adopted_too(stray, save, reconcile):
    stray()
    save()
    assert reconcile(repair=True, older_than=NONE_IS_OLD).adopted == 1


def test_a_held_object_is_adopted_and_stays_held(
    stray, save, queued, reconcile, hold, learner, queue, sweep
):
    key = queued(stray())
    save()
    hold(learner, HoldScope.USER)
    assert reconcile(repair=True).adopted == 1
    assert queue() == {}
    sweep()
    assert is_in_bucket(key)


def test_ids_with_underscores_and_other_signs_are_taken_as_they_are(stray, save, reconcile, stored):
    ids = ["msg_1760000000000_k3j9x2a", "m", "m_1", "a b+%20", "日本語"]
    keys = {message_id: stray(message_id) for message_id in ids}
    for message_id in ids:
        save(message_id)
    assert reconcile(repair=True).adopted == len(ids)
    assert {i: stored(i).audio_storage_key for i in ids} == keys


def test_the_newest_of_several_uploads_is_adopted_and_the_others_are_orphans(
    stray, save, reconcile, stored, queue
):
    uploads = [stray(epoch_ms=EPOCH_MS + n) for n in (5, 0, 9, 100)]
    other = stray("m_1", epoch_ms=EPOCH_MS + 7)  # sorts between them
    save()
    save("m_1")
    assert reconcile(repair=True).adopted == 2
    assert stored("m").audio_storage_key == uploads[3]
    assert stored("m_1").audio_storage_key == other
    assert queue().keys() == set(uploads[:3])


def test_a_queued_object_whose_message_was_saved_since_leaves_the_queue(
    stray, save, reconcile, stored, queue
):
    key = stray()
    reconcile(repair=True)
    assert queue() == {key: None}
    save()
    assert reconcile(repair=True).adopted == 1
    assert stored("m").audio_storage_key == key
    assert queue() == {}


def test_many_objects_are_adopted_page_after_page(stray, save, reconcile, monkeypatch):
    monkeypatch.setattr(adoption, "STRAYS_PER_PAGE", 2)
    for number in range(5):
        stray(f"m{number}")
        save(f"m{number}")
    assert reconcile().adopted == 5
    assert reconcile(repair=True).adopted == 5
    assert reconcile(repair=True).adopted == 0


# Objects that are not adopted


@pytest.mark.parametrize(
    "key",
    [
        "audio/{learner}/another/m_1760000000000.wav",
        "audio/00000000-0000-4000-8000-000000000000/{conversation}/m_1760000000000.wav",
        "audio/anonymous/{conversation}/m_1760000000000.wav",
        "audio/{learner}/{conversation}/other_1760000000000.wav",
        "audio/{learner}/{conversation}/m_176000000000.wav",
        "audio/{learner}/{conversation}/m_1760000000000.flac",
        "audio/{learner}/{conversation}/m.wav",
        "audio/{learner}/{conversation}/x/m_1760000000000.wav",
        "audio/x/{learner}/{conversation}/m_1760000000000.wav",
        "audio/{learner}/{conversation}/m_1760000000000.wav\n",
    ],
)
def test_an_object_that_names_no_such_message_is_an_orphan(
    put, save, learner, conversation, reconcile, stored, key
):
    put(key.format(learner=learner, conversation=conversation))
    save()
    report = reconcile(repair=True)
    assert (report.adopted, report.count) == (0, 1)
    assert stored("m").audio_storage_key is None


def test_a_guests_message_adopts_nothing_of_a_learners(
    put, save, add_conversation, learner, reconcile
):
    conversation = add_conversation(user_id=None, guest_id="anonymous")
    put(key_of(learner, conversation, "m"))
    save(conversation_id=conversation)
    assert reconcile(repair=True).adopted == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"audio_storage_key": "audio/u/c/own.wav"},
        {"audio_deleted_at": datetime(2025, 11, 1, tzinfo=UTC)},
        {
            "audio_storage_key": "audio/u/c/own.wav",
            "audio_deleted_at": datetime(2025, 11, 1, tzinfo=UTC),
        },
    ],
)
def test_a_message_with_a_recording_of_its_own_or_a_deleted_one_adopts_nothing(
    stray, save, put, reconcile, queue, columns
):
    put("audio/u/c/own.wav")
    key = stray()
    save(**columns)
    assert reconcile(repair=True).adopted == 0
    assert key in queue()


def test_an_object_that_another_message_has_is_not_taken_from_it(stray, save, reconcile, stored):
    key = stray()
    save()
    save("other", audio_storage_key=key)
    assert reconcile(repair=True).adopted == 0
    assert stored("m").audio_storage_key is None


def test_an_empty_object_is_no_recording(stray, save, reconcile):
    stray(data=b"")
    save()
    assert reconcile(repair=True).adopted == 0


def test_nothing_of_an_erased_learner_comes_back(
    stray, save, reconcile, learner, run_sql, stored, queue
):
    key = stray()
    save()
    run_sql(
        "INSERT INTO audio_ops.erased_learner (user_id, reason) VALUES (:id, 'request 7')",
        id=learner,
    )
    assert reconcile(repair=True).adopted == 0
    assert stored("m").audio_storage_key is None
    assert queue() == {key: None}


@pytest.mark.parametrize(
    ("state", "adopted"),
    [(DeletionState.INTENDED, 0), (DeletionState.DELETED, 0), (DeletionState.WITHDRAWN, 1)],
)
def test_objects_deleted_or_about_to_be_are_not_adopted(
    stray, save, reconcile, in_ledger, state, adopted
):
    key = stray()
    save()
    in_ledger(key, state)
    assert reconcile().adopted == adopted
    assert reconcile(repair=True).adopted == adopted


def test_an_object_of_a_message_that_the_app_deleted_goes_even_if_the_message_came_back(
    stray, save, queued, reconcile, queue, sweep
):
    key = queued(stray(), source="message_deleted")
    save()
    assert reconcile(repair=True).adopted == 0
    assert queue() == {key: None}
    assert sweep().orphans == 1


def test_only_keys_under_the_prefix_are_listed(put, save, learner, conversation, reconcile):
    put(key_of(learner, conversation, "m").replace("audio/", "exports/"))
    save()
    assert reconcile(repair=True).adopted == 0


def test_a_key_that_no_sweep_could_delete_is_not_adopted(put, save, add_conversation, reconcile):
    conversation = add_conversation(id="..", user_id=None)
    put(key_of("anonymous", conversation, "m"))
    save(conversation_id=conversation)
    assert reconcile().adopted == 0
    assert reconcile(repair=True).adopted == 0


# Formats of objects


@pytest.mark.parametrize(
    ("data", "content_type", "facts"),
    [
        (bytes(24_001), "audio/pcm16", ("pcm16", 24_000, 1, 500)),
        (bytes(240_000), "audio/wav", ("pcm16", 24_000, 1, 5000)),
        (encoded(format="WAV"), "audio/pcm16", ("wav", 48_000, 1, 2000)),
        (encoded(format="FLAC"), "audio/wav", ("flac", 48_000, 1, 2000)),
        (encoded(format="OGG"), "audio/wav", ("ogg", 48_000, 1, 2000)),
        (encoded(format="MP3"), "audio/mpeg", ("mp3", 48_000, 1, None)),
        (encoded(format="FLAC")[:90_000], "audio/flac", ("flac", 48_000, 1, None)),
        (b"\x1aE\xdf\xa3" + bytes(99), "audio/pcm16", ("webm", None, None, None)),
        (b"0000ftypM4A " + bytes(99), "audio/wav", ("mp4", None, None, None)),
        (np.random.default_rng(0).bytes(9_000), "audio/wav", (None, None, None, None)),
        (b"<!doctype html><title>Error</title>", "audio/wav", (None, None, None, None)),
        (b"<html>" + bytes(94), "text/html", (None, None, None, None)),
        (bytes(100), "binary/octet-stream", (None, None, None, None)),
    ],
)
def test_format_rate_channels_and_length_are_those_of_the_bytes(
    stray, save, reconcile, stored, data, content_type, facts
):
    stray(data=data, content_type=content_type)
    save()
    assert reconcile(repair=True).adopted == 1
    message = stored("m")
    assert message.audio_size_bytes == len(data)
    assert facts == (
        message.audio_format,
        message.audio_sample_rate,
        message.audio_channels,
        message.audio_duration_ms,
    )


def test_only_the_beginning_of_headerless_pcm_is_read(stray, save, reconcile, faulty_bucket):
    stray(data=bytes(2_000_000))
    save()
    reconcile(repair=True)
    assert faulty_bucket.count("GetObject") == 1


def test_only_the_size_is_known_of_a_file_too_large_to_read(
    stray, save, reconcile, stored, monkeypatch
):
    monkeypatch.setattr("tasks.reconciliation.found_recordings.MAX_BYTES", 100_000)
    data = encoded(format="WAV")
    stray(data=data)
    save()
    assert reconcile(repair=True).adopted == 1
    message = stored("m")
    assert (message.audio_size_bytes, message.audio_format) == (len(data), None)


# Concurrent changes


@pytest.fixture
def listed(stray, save):
    """List and compare a bucket with one stray object; return the run."""
    stray()
    save()
    run = begin_reconciliation.fn()
    list_chunk.fn(run)
    compare.fn(run, older_than=ALL_ARE_OLD)
    return run


@pytest.fixture
def meanwhile(monkeypatch):
    """Run a change after the objects were read and before they are adopted."""

    def _meanwhile(function):
        real = stray_objects.adopt

        def later(connection, run, adoptions):
            function(adoptions)
            return real(connection, run, adoptions)

        monkeypatch.setattr(adoption.stray_objects, "adopt", later)

    return _meanwhile


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET audio_storage_key = 'audio/u/c/own.wav'",
        "UPDATE messages SET audio_deleted_at = now()",
        "UPDATE conversations SET user_id = NULL",
        "INSERT INTO audio_ops.erased_learner (user_id, reason)"
        " SELECT user_id, 'request 7' FROM conversations WHERE user_id IS NOT NULL",
        "DELETE FROM messages",
    ],
)
def test_a_message_that_changed_meanwhile_adopts_nothing(
    listed, meanwhile, run_sql, rows, statement
):
    meanwhile(lambda _: run_sql(statement))
    assert adopt_page.fn(listed, after="")[1] == 0
    assert rows("SELECT 1 FROM messages WHERE audio_processing_state = 'uploaded'") == []


@pytest.mark.parametrize("state", [DeletionState.INTENDED, DeletionState.DELETED])
def test_an_object_that_is_being_deleted_meanwhile_is_not_adopted(
    listed, meanwhile, in_ledger, state
):
    meanwhile(lambda adoptions: in_ledger(adoptions[0].storage_key, state))
    assert adopt_page.fn(listed, after="")[1] == 0


def test_a_deleted_object_is_not_adopted(listed, learner, conversation):
    storage.bucket().delete_many([key_of(learner, conversation, "m")])
    assert adopt_page.fn(listed, after="")[1] == 0


def test_a_run_that_was_overtaken_adopts_nothing(listed, stored):
    newer = begin_reconciliation.fn()
    with pytest.raises(ListingOvertaken):
        adopt_page.fn(listed, after="")
    assert stored("m").audio_storage_key is None
    assert adopt_page.fn(newer, after="")[1] == 1


def test_a_locked_message_and_its_object_are_left_to_the_next_run(
    stray, save, reconcile, engine, queue, stored
):
    key = stray()
    save()
    with engine.begin() as other:
        other.execute(sa.text("SELECT FROM messages FOR UPDATE"))
        assert reconcile(repair=True).adopted == 0
    assert queue() == {}
    assert reconcile(repair=True).adopted == 1
    assert stored("m").audio_storage_key == key


def test_a_failing_bucket_costs_only_a_second_run(stray, save, reconcile, faulty_bucket, queue):
    stray()
    save()
    faulty_bucket.on("GetObject", answered(503, "SlowDown"))
    with pytest.raises(StorageUnavailable):
        reconcile(repair=True)
    assert queue() == {}
    faulty_bucket.heal()
    assert reconcile(repair=True).adopted == 1


def test_a_page_with_an_unknown_commit_outcome_is_written_once(listed, monkeypatch, rows):
    real = in_transaction

    def twice(*arguments, **options):
        real(*arguments, **options)
        return real(*arguments, **options)

    monkeypatch.setattr(adoption, "in_transaction", twice)
    adopt_page.fn(listed, after="")
    assert rows("SELECT id FROM messages WHERE audio_storage_key IS NOT NULL") == [("m",)]


def test_the_sweep_spares_a_queued_object_whose_message_was_saved_since(
    stray, save, reconcile, sweep, queue
):
    key = stray()
    older = stray(epoch_ms=EPOCH_MS - 1)
    reconcile(repair=True)
    save()
    assert sweep().orphans == 0
    assert is_in_bucket(key)
    assert queue() == {}
    assert reconcile(repair=True).adopted == 1
    assert queue() == {older: None}
    assert sweep().orphans == 1
    assert is_in_bucket(key)
    assert not is_in_bucket(older)


def test_a_message_saved_between_a_sweeps_intent_and_its_deletion_keeps_its_object(
    stray, save, reconcile, sweep, before_deleting, entries
):
    key = stray()
    reconcile(repair=True)
    before_deleting(save)
    report = sweep()
    assert (report.orphans, report.withdrawn) == (0, 1)
    assert is_in_bucket(key)
    assert entries() == [("orphan", "withdrawn", None)]
    assert reconcile(repair=True).adopted == 1


def test_a_measured_object_has_its_message_and_size(stray, conversation, learner):
    stray(data=bytes(100_000))
    found = measure(Stray(key_of(learner, conversation, "m"), "m", was_deleted=False))
    assert (found.message_id, found.size_bytes, found.duration_ms) == ("m", 100_000, 2083)
    assert measure(Stray(f"audio/{uuid4()}", "m", was_deleted=False)) is None
