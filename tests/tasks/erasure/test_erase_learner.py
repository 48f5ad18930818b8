"""Erasing a learner on real Postgres and a real bucket, whatever breaks."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from schema.errors.deletion import LearnerHeld, LearnerUnknown
from schema.errors.storage import UnprovenBucket, WrongBucket
from schema.facts.deletion import ErasureReport, IntendedDeletion
from schema.states import DeletionReason, HoldScope
from stores.analysis import analyses, leases
from stores.bucket.versions import list_versions
from stores.deletion import erasure, holds, ledger
from tasks.analysis.results import write_outcomes
from tasks.analysis.workers import Analysed
from tasks.erasure import erase_learner, erase_pages
from tasks.resources import storage
from tests.support.erasing import LATER, analysis, erase
from tests.support.faulty_bucket import (
    answered,
    calling_after,
    calling_before,
    lost_answer,
    refused,
)
from tests.support.sessions import wait_for_a_blocked_session

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def keep_versions(status="Enabled"):
    bucket = storage.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": status}
    )


def versions(prefix):
    pages = list_versions(storage.bucket(), prefix)
    return [version for page in pages for version in page]


def is_in_bucket(key):
    return storage.bucket().head(key) is not None


@pytest.fixture
def execute(engine):
    """Run a statement and commit."""

    def _execute(statement, **arguments):
        with engine.begin() as connection:
            return connection.execute(sa.text(statement), arguments)

    return _execute


@pytest.fixture
def place_hold(engine):
    def _place_hold(scope, subject_id):
        with engine.begin() as connection:
            return holds.place(connection, scope, str(subject_id), "case 1", "counsel").hold_id

    return _place_hold


# What goes and what stays


def test_recordings_urls_analyses_and_history_go_and_the_text_stays(
    learner, add_recording, read_message, everything, ledger_entries
):
    before = read_message(add_recording(learner))
    erased, left = erase(learner)
    assert (erased.messages, erased.objects, erased.versions, erased.size_bytes) == (1, 1, 1, 5)
    assert (erased.analyses, erased.history) == (1, 1)
    assert left == ErasureReport()
    after = read_message(before.id)
    assert after.content == before.content
    assert after.audio_deleted_at is not None
    assert (after.audio_processing_state, after.audio_processing_error) == (
        "failed",
        "Erased at the learner's request.",
    )
    for column in (
        "audio_storage_key",
        "audio_url",
        "audio_url_expires_at",
        "audio_duration_ms",
        "audio_size_bytes",
        "audio_format",
        "audio_retention_expires_at",
        "pronunciation_score",
        "fluency_score",
        "speech_rate_wpm",
    ):
        assert getattr(after, column) is None
    found = everything(learner)
    assert found["objects"] == {}
    assert found["analyses"] == found["history"] == found["quarantine"] == []
    assert ledger_entries() == {("erasure", "deleted"): 1}


def test_another_learners_rows_objects_and_analyses_stay_byte_for_byte(
    learner, new_learner, add_recording, everything
):
    other = new_learner()
    for owner in (learner, other, learner, other):
        add_recording(owner)
    before = everything(other)
    erase(learner)
    assert everything(other) == before
    assert len(before["objects"]) == len(before["messages"]) == 2


def test_more_messages_than_a_page_holds_all_go(learner, add_recording, everything, monkeypatch):
    monkeypatch.setattr(erase_learner, "ROWS_AT_ONCE", 2)
    for _ in range(5):
        add_recording(learner)
    erased, left = erase(learner)
    assert (erased.messages, erased.objects, left.is_empty) == (5, 5, True)
    assert everything(learner)["objects"] == {}


def test_messages_without_audio_are_not_touched(learner, add_recording, add_message, everything):
    add_recording(learner)
    said = add_message(
        id="typed",
        conversation_id=learner.conversation_id,
        audio_storage_key=None,
        audio_format=None,
        audio_processing_state="pending",
    )
    before = [row for row in everything(learner)["messages"] if row.id == said]
    erased, _ = erase(learner)
    assert [row for row in everything(learner)["messages"] if row.id == said] == before
    assert erased.messages == 1


def test_rows_whose_audio_was_deleted_before_let_go_of_it_too(learner, add_recording, read_message):
    deleted_at = datetime(2025, 12, 1, tzinfo=UTC)
    message_id = add_recording(learner, audio=None, audio_deleted_at=deleted_at)
    erase(learner)
    after = read_message(message_id)
    assert after.audio_deleted_at == deleted_at
    assert after.audio_storage_key is after.audio_size_bytes is after.fluency_score is None


def test_a_recording_outside_the_learners_folder_goes_too(learner, add_recording):
    key = "audio/guest-5/c/before-the-account.wav"
    add_recording(learner, audio_storage_key=key)
    _, left = erase(learner)
    assert left.is_empty
    assert not is_in_bucket(key)


def test_objects_in_the_folder_without_a_row_go_and_similar_folders_stay(learner, ledger_entries):
    bucket = storage.bucket()
    for key in (f"{learner.folder}c/lost.wav", f"{learner.folder}odd//ü 100%&.wav"):
        bucket.put(key, b"lost", "audio/wav")
    kept = f"audio/{learner.user_id}-2/c/m.wav"
    bucket.put(kept, b"kept", "audio/wav")
    erased, left = erase(learner)
    assert (erased.objects, erased.size_bytes, left.is_empty) == (2, 8, True)
    assert is_in_bucket(kept)
    assert ledger_entries() == {("erasure", "deleted"): 2}


def test_the_recordings_of_messages_that_the_app_deleted_go(
    learner, add_recording, execute, everything
):
    key = "audio/elsewhere/m.wav"
    message_id = add_recording(learner, audio_storage_key=key)
    execute("DELETE FROM messages WHERE id = :id", id=message_id)
    assert len(everything(learner)["orphans"]) == 1
    erased, left = erase(learner)
    assert (erased.orphans, erased.objects, left.is_empty) == (1, 1, True)
    assert everything(learner)["orphans"] == []
    assert not is_in_bucket(key)


def test_what_reconciliations_noted_of_their_objects_goes(
    learner, new_learner, add_recording, execute
):
    execute(
        "INSERT INTO audio_ops.reconciliation (token, bucket, prefix)"
        " VALUES (gen_random_uuid(), 'b', 'audio/')"
    )
    elsewhere = "audio/elsewhere/m.wav"
    message_id = add_recording(learner, audio_storage_key=elsewhere)
    other = new_learner()
    for key, about in (
        (f"{learner.folder}x.wav", None),
        (elsewhere, message_id),
        (f"{other.folder}x.wav", None),
    ):
        execute(
            "INSERT INTO audio_ops.reconciliation_finding"
            " (reconciliation_id, kind, storage_key, message_id, dated_at)"
            " SELECT id, 'object_without_row', :key, :about, now() FROM audio_ops.reconciliation",
            key=key,
            about=about,
        )
        execute("INSERT INTO audio_ops.bucket_inventory VALUES (:key, 1, now())", key=key)
    erased, _ = erase(learner)
    assert erased.control_rows == 3
    kept = "SELECT storage_key FROM audio_ops.{}"
    assert execute(kept.format("reconciliation_finding")).scalars().all() == [
        f"{other.folder}x.wav"
    ]
    left = set(execute(kept.format("bucket_inventory")).scalars())
    assert left == {elsewhere, f"{other.folder}x.wav"}


def test_findings_in_the_apps_list_go_whatever_the_learner_did_with_them(
    learner, new_learner, add_recording, execute
):
    other = new_learner()
    execute(
        "INSERT INTO linguistic_features (id, macro_skill, sub_skill, micro_rule)"
        " VALUES ('f', 'pronunciation', 'word', 'clarity')"
    )
    for whose in (learner, other):
        message_id = add_recording(whose)
        for run_id, action in (("kaiwa-audio", "accepted"), ("the app's own", "pending")):
            execute(
                "INSERT INTO analysis_findings (user_id, conversation_id, message_id, feature_id,"
                " module_id, run_id, action_status) VALUES (:user_id, :conversation_id,"
                " :message_id, 'f', 'pronunciation-analysis', :run_id,"
                " CAST(:action AS analysis_finding_action))",
                user_id=whose.user_id,
                conversation_id=whose.conversation_id,
                message_id=message_id,
                run_id=run_id,
                action=action,
            )
    assert erase_learner.plan_erasure.fn(learner.user_id, as_of=NOW).control_rows == 1
    erased, left = erase(learner)
    assert (erased.control_rows, left.is_empty) == (1, True)
    kept = execute("SELECT user_id, run_id FROM analysis_findings ORDER BY run_id")
    assert set(kept.all()) == {
        (other.user_id, "kaiwa-audio"),
        (other.user_id, "the app's own"),
        (learner.user_id, "the app's own"),
    }


def test_a_learner_whose_account_is_gone_is_known_by_their_folder(
    learner, add_recording, execute, everything
):
    add_recording(learner)
    execute("DELETE FROM messages")
    execute("DELETE FROM audio_ops.orphan_object")
    execute("DELETE FROM conversations")
    execute("DELETE FROM users")
    erased, left = erase(learner)
    assert (erased.objects, left.is_empty) == (1, True)
    assert everything(learner)["objects"] == {}


def test_a_server_that_knows_no_versions_is_asked_for_none(learner, add_recording, faulty_bucket):
    for request in ("GetBucketVersioning", "ListObjectVersions"):
        faulty_bucket.on(request, answered(501, "NotImplemented"))
    add_recording(learner)
    storage.bucket().put(f"{learner.folder}c/lost.wav", b"lost", "audio/wav")
    erased, left = erase(learner)
    assert (erased.objects, erased.versions, left.is_empty) == (2, 2, True)
    assert faulty_bucket.count("ListObjectVersions") == 0
    assert not any(
        version for request in faulty_bucket.requests for _, version in request.deletions
    )


@pytest.mark.parametrize("versioned", [False, True])
def test_an_object_whose_key_no_list_can_carry_does_not_stop_the_others(
    learner, add_recording, versioned
):
    if versioned:
        keep_versions()
    bucket, odd = storage.bucket(), f"{learner.folder}bell\x07.wav"
    bucket.client.put_object(Bucket=bucket.name, Key=odd, Body=b"odd")
    add_recording(learner)
    erased, left = erase(learner)
    assert left.objects == (0 if versioned else 1)
    assert erased.objects == 1 + versioned


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_all_versions_and_delete_markers_go(learner, add_recording, status):
    keep_versions()
    key = "audio/elsewhere/m.wav"
    add_recording(learner, audio=b"old")
    add_recording(learner, audio_storage_key=key)
    bucket = storage.bucket()
    bucket.put(key, b"replaced", "audio/wav")
    bucket.put(f"{key}.other", b"another's", "audio/wav")
    bucket.put(f"{learner.folder}gone.wav", b"gone", "audio/wav")
    bucket.delete_many([f"{learner.folder}gone.wav"])  # leaves a version and a marker
    keep_versions(status)
    erased, left = erase(learner)
    assert (erased.objects, erased.versions, erased.size_bytes) == (3, 5, 3 + 5 + 8 + 4)
    assert left.is_empty
    assert versions(learner.folder) == []
    assert [version.key for version in versions(key)] == [f"{key}.other"]


def test_an_object_that_another_learner_needs_stays_and_the_row_lets_go_of_it(
    learner, new_learner, add_recording, read_message, everything, ledger_entries
):
    other = new_learner()
    shared = add_recording(learner)
    key = read_message(shared).audio_storage_key
    add_recording(other, audio_storage_key=key)
    before = everything(other)
    erased, left = erase(learner)
    assert (erased.shared, erased.objects) == (1, 0)
    assert (left.shared, left.is_empty) == (1, True)
    assert read_message(shared).audio_storage_key is None
    assert is_in_bucket(key)
    assert everything(other) == before
    assert ledger_entries() == {("erasure", "withdrawn"): 1}


def test_a_guests_need_counts_like_anothers(learner, add_conversation, add_recording, read_message):
    key = read_message(add_recording(learner)).audio_storage_key
    guests = add_conversation(user_id=None, guest_id="browser")
    add_recording(type(learner)(learner.user_id, guests), audio_storage_key=key)
    assert erase(learner)[0].shared == 1
    assert is_in_bucket(key)


def test_a_key_that_is_not_ours_is_never_deleted_and_keeps_the_erasure_open(
    learner, add_recording, read_message
):
    message_id = add_recording(learner, audio=None, audio_storage_key=".kaiwa-audio")
    erased, left = erase(learner)
    storage.bucket().verify_marker()
    assert (erased.refused, left.refused, left.messages) == (1, 1, 1)
    after = read_message(message_id)
    assert after.audio_storage_key == ".kaiwa-audio"
    assert after.audio_deleted_at is after.audio_url is after.fluency_score is None


# Before anything is done


def test_a_survey_counts_and_changes_nothing(learner, add_recording, everything, ledger_entries):
    keep_versions()
    add_recording(learner)
    add_recording(learner, audio_storage_key="audio/elsewhere/m.wav")
    storage.bucket().put("audio/elsewhere/m.wav", b"again", "audio/wav")
    storage.bucket().put("audio/elsewhere/m.wav.other", b"another's", "audio/wav")
    before = everything(learner)
    found = erase_learner.plan_erasure.fn(learner.user_id, as_of=NOW)
    assert (found.messages, found.objects, found.versions, found.size_bytes) == (2, 2, 3, 15)
    assert (found.analyses, found.history) == (2, 2)
    assert everything(learner) == before
    assert is_in_bucket("audio/elsewhere/m.wav")
    assert ledger_entries() == {}


def test_somebody_of_whom_there_is_no_trace_is_an_error(stage, noon):
    with pytest.raises(LearnerUnknown):
        erase_learner.plan_erasure.fn(uuid4(), as_of=noon)


def test_a_learner_without_recordings_can_be_erased(learner):
    assert erase(learner) == (ErasureReport(), ErasureReport())


@pytest.mark.parametrize("scope", list(HoldScope))
def test_a_hold_on_anything_of_the_learner_forbids_the_erasure(
    learner, add_recording, everything, place_hold, scope
):
    message_id = add_recording(learner)
    subjects = {
        HoldScope.MESSAGE: message_id,
        HoldScope.CONVERSATION: learner.conversation_id,
        HoldScope.USER: learner.user_id,
    }
    before = everything(learner)
    place_hold(scope, subjects[scope])
    with pytest.raises(LearnerHeld, match="1 legal holds"):
        erase(learner)
    assert everything(learner) == before


def test_a_hold_on_another_learner_forbids_nothing(learner, new_learner, place_hold):
    place_hold(HoldScope.USER, new_learner().user_id)
    assert erase(learner)[1].is_empty


def test_the_wrong_bucket_is_refused(learner, add_recording, everything, monkeypatch):
    add_recording(learner)
    before = everything(learner)
    storage.bucket().client.create_bucket(Bucket="without-marker")
    with monkeypatch.context() as patch:
        patch.setenv("TIGRIS_BUCKET_NAME", "without-marker")
        storage.bucket.cache_clear()
        with pytest.raises(WrongBucket):
            erase(learner)
    storage.bucket.cache_clear()
    assert everything(learner) == before


def test_a_bucket_without_others_recordings_is_refused(
    learner, new_learner, add_recording, everything
):
    """Another environment's: it has a marker, and says of every key that it deleted it."""
    add_recording(learner)
    add_recording(new_learner(), audio=None)
    before = everything(learner)
    with pytest.raises(UnprovenBucket):
        erase(learner)
    assert everything(learner) == before


# Holds that come later


def test_a_hold_placed_between_intent_and_deletion_keeps_the_recordings(
    learner, add_recording, place_hold, ledger_entries, monkeypatch
):
    message_id = add_recording(learner)
    erase_objects = erase_pages.erase_objects

    def hold_first(*arguments, **options):
        place_hold(HoldScope.MESSAGE, message_id)
        return erase_objects(*arguments, **options)

    monkeypatch.setattr(erase_pages, "erase_objects", hold_first)
    with pytest.raises(LearnerHeld):
        erase(learner)
    assert len(versions(learner.folder)) == 1
    assert ledger_entries() == {("erasure", "withdrawn"): 1}


def test_a_hold_waits_for_the_page_in_progress_and_stops_the_next(
    learner, add_recording, place_hold, faulty_bucket, engine, monkeypatch, ledger_entries
):

    monkeypatch.setattr(erase_learner, "ROWS_AT_ONCE", 1)
    add_recording(learner)
    add_recording(learner)
    with ThreadPoolExecutor(1) as threads:
        placed = []

        def place(_request):
            placed.append(threads.submit(place_hold, HoldScope.USER, learner.user_id))
            wait_for_a_blocked_session(engine)
            placed.append("waits")

        faulty_bucket.on("DeleteObjects", calling_before(place), times=1)
        with pytest.raises(LearnerHeld):
            erase(learner)
        assert placed[0].result(timeout=30)
    assert placed[1:] == ["waits"]
    assert len(versions(learner.folder)) == 1
    assert ledger_entries()[("erasure", "deleted")] == 1


# The bucket fails


def test_only_what_the_bucket_confirmed_is_marked_and_the_next_run_ends_it(
    learner, add_recording, read_message, faulty_bucket, ledger_entries
):
    bad, good = add_recording(learner), add_recording(learner)
    key = read_message(bad).audio_storage_key
    faulty_bucket.on("DeleteObjects", refused({key}))
    erased, left = erase(learner)
    assert (erased.objects, left.objects, left.messages, left.is_empty) == (1, 1, 1, False)
    assert erased.failed == 2  # of its message's page, and of the folder's
    row = read_message(bad)
    assert (row.audio_storage_key, row.audio_deleted_at) == (key, None)
    assert row.audio_url is row.fluency_score is None
    assert row.audio_processing_state == "failed"  # so that nobody analyses it meanwhile
    assert read_message(good).audio_storage_key is None
    assert ledger_entries() == {("erasure", "deleted"): 1, ("erasure", "intended"): 1}
    faulty_bucket.heal()
    _, left = erase(learner)
    assert left == ErasureReport()
    assert read_message(bad).audio_storage_key is None
    assert ledger_entries() == {("erasure", "deleted"): 2}


def test_one_version_that_is_not_confirmed_keeps_its_message(
    learner, add_recording, read_message, faulty_bucket
):
    keep_versions()
    message_id = add_recording(learner)
    key = read_message(message_id).audio_storage_key
    storage.bucket().put(key, b"again", "audio/wav")
    oldest = versions(key)[-1].version_id

    def refuse_one(exchange):
        marked = refused({key})
        if any(version == oldest for _, version in exchange.request.deletions):
            marked(exchange)
        else:
            exchange.send(exchange.forward())

    faulty_bucket.on("DeleteObjects", refuse_one)
    _, left = erase(learner)
    assert not left.is_empty
    assert read_message(message_id).audio_storage_key == key
    faulty_bucket.heal()
    assert erase(learner)[1].is_empty
    assert versions(key) == []


@pytest.mark.parametrize(
    "fault",
    [answered(503, "SlowDown"), answered(403, "AccessDenied"), lost_answer],
    ids=["503", "403", "reset"],
)
@pytest.mark.parametrize("versioned", [False, True])
def test_a_bucket_that_fails_marks_nothing_and_the_next_run_ends_it(
    learner, add_recording, read_message, faulty_bucket, ledger_entries, fault, versioned
):
    if versioned:
        keep_versions()
    ids = [add_recording(learner) for _ in range(3)]
    faulty_bucket.on("DeleteObjects", fault)
    erased, left = erase(learner)
    assert not left.is_empty
    assert erased.objects == 0
    assert all(read_message(message_id).audio_storage_key for message_id in ids)
    assert not any(read_message(message_id).audio_deleted_at for message_id in ids)
    assert set(ledger_entries()) == {("erasure", "intended")}
    faulty_bucket.heal()
    assert erase(learner)[1].is_empty
    assert not any(read_message(message_id).audio_storage_key for message_id in ids)
    assert set(ledger_entries()) == {("erasure", "deleted")}


def test_a_bucket_that_confirms_nothing_is_not_asked_page_after_page(
    learner, add_recording, faulty_bucket, monkeypatch
):
    monkeypatch.setattr(erase_learner, "ROWS_AT_ONCE", 1)
    for _ in range(4):
        add_recording(learner)
    faulty_bucket.on("DeleteObjects", answered(403, "AccessDenied"))
    erase(learner)
    assert faulty_bucket.count("DeleteObjects") == 2  # one page of messages, one of the folder


def test_an_object_outside_the_folder_that_is_still_there_is_not_believed(
    learner, add_recording, read_message, faulty_bucket
):
    key = "audio/elsewhere/m.wav"
    message_id = add_recording(learner, audio_storage_key=key)
    put_back = calling_after(lambda _: faulty_bucket.direct.put(key, b"sound", "audio/wav"))
    faulty_bucket.on("DeleteObjects", put_back, times=1)
    _, left = erase(learner)
    assert (left.objects, left.messages) == (1, 1)
    assert read_message(message_id).audio_deleted_at is None


# Killed

RUN = """
import sys
from uuid import UUID
from tasks.erasure import erase_learner
user_id = UUID(sys.argv[1])
erase_learner.begin_erasure.fn(user_id, "request 7")
erase_learner.erase_messages.fn(user_id)
"""


@pytest.fixture
def kill_at_deletion(faulty_bucket):
    """Run an erasure in a process of its own; kill it when it asks the bucket to delete."""

    def _kill_at_deletion(learner, *, deleted):
        process = subprocess.Popen([sys.executable, "-c", RUN, str(learner.user_id)])

        def kill(exchange):
            if deleted:
                exchange.forward()
            process.kill()
            exchange.reset()

        faulty_bucket.on("DeleteObjects", kill)
        assert process.wait(timeout=60) == -signal.SIGKILL
        faulty_bucket.heal()

    return _kill_at_deletion


@pytest.mark.parametrize("deleted", [False, True], ids=["intended", "deleted"])
@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_a_killed_erasure_is_simply_run_again(
    learner, add_recording, read_message, kill_at_deletion, ledger_entries, versioned, deleted
):
    if versioned:
        keep_versions()
    ids = [add_recording(learner) for _ in range(3)]
    kill_at_deletion(learner, deleted=deleted)
    assert all(read_message(message_id).audio_storage_key for message_id in ids)
    assert not any(read_message(message_id).audio_deleted_at for message_id in ids)
    assert ledger_entries() == {("erasure", "intended"): 3}
    assert len(versions(learner.folder)) == (0 if deleted else 3)
    _, left = erase(learner)
    assert left == ErasureReport()
    assert not any(read_message(message_id).audio_storage_key for message_id in ids)
    assert ledger_entries() == {("erasure", "deleted"): 3}


# The tombstone


def test_an_erasure_keeps_its_receipt_over_all_its_runs(learner, execute):
    first = erase_learner.begin_erasure.fn(learner.user_id, "request 7")
    assert erase(learner, reason="request 8")[1].is_empty
    assert erase_learner.begin_erasure.fn(learner.user_id, "request 9") == first
    (row,) = execute("SELECT * FROM audio_ops.erased_learner").all()
    assert (row.reason, row.completed_at) == ("request 7", None)  # it has begun again


def test_an_erasure_that_left_something_is_not_complete(
    learner, add_recording, faulty_bucket, execute
):
    add_recording(learner)
    faulty_bucket.on("DeleteObjects", answered(403, "AccessDenied"))
    erase(learner)
    assert execute("SELECT completed_at FROM audio_ops.erased_learner").scalar_one() is None
    faulty_bucket.heal()
    erase(learner)
    assert execute("SELECT completed_at FROM audio_ops.erased_learner").scalar_one() is not None


def test_what_a_backup_brings_back_is_found_and_erased_again(
    learner, new_learner, add_recording, read_message, engine
):
    other = new_learner()
    add_recording(other)
    add_recording(learner)
    erase(learner)
    assert erase_learner.plan_erasure.fn(learner.user_id, as_of=NOW) == ErasureReport()
    back = add_recording(learner)
    with engine.connect() as connection:
        assert erasure.revived(connection, limit=10) == [learner.user_id]
    erased, left = erase(learner)
    assert (erased.messages, erased.objects, left.is_empty) == (1, 1, True)
    assert read_message(back).audio_deleted_at is not None
    assert erase_learner.plan_erasure.fn(other.user_id, as_of=NOW).objects == 1
    with engine.connect() as connection:
        assert erasure.revived(connection, limit=10) == []


def test_a_hold_on_what_is_gone_and_perhaps_theirs_forbids_the_erasure(
    learner, add_recording, execute, hold
):
    shared = f"{learner.folder}c/shared_1.wav"
    first = add_recording(learner, audio_storage_key=shared)
    add_recording(learner, audio_storage_key=shared)
    hold(first)
    execute("DELETE FROM messages")  # the trigger queues a shared object as nobody's
    with pytest.raises(LearnerHeld):
        erase(learner)
    assert storage.bucket().head(shared) is not None


def test_an_analysis_in_flight_when_the_erasure_comes_is_not_written(
    learner, add_recording, read_message, everything, engine
):
    message_id = add_recording(learner, audio_processing_state="uploaded")
    with engine.begin() as connection:
        claim = leases.claim(
            connection,
            languages=["en"],
            limit=10,
            owner="test",
            duration=timedelta(minutes=5),
        )
    assert [message.message_id for message in claim.messages] == [message_id]
    erase(learner)
    outcome = Analysed(analysis(message_id, overall_accuracy_score=99), 1.0, 1.0)
    with engine.begin() as connection:
        report = write_outcomes(
            connection, claim, {message_id: outcome}, max_attempts=5, as_of=LATER
        )
    assert (report.analyzed, report.lost) == (0, 1)
    with engine.begin() as connection:
        assert leases.release(connection, claim.token) == 0
    assert read_message(message_id).audio_processing_state == "failed"
    assert everything(learner)["analyses"] == []


def test_an_analysis_that_is_being_written_is_waited_for_and_erased(
    learner, add_recording, everything, engine
):

    message_id = add_recording(learner)
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as writer:
            analyses.upsert(writer, [analysis(message_id, analysis_version="3")])
            erasing = threads.submit(erase, learner)
            wait_for_a_blocked_session(engine)
        assert erasing.result(timeout=60)[1].is_empty
    assert everything(learner)["analyses"] == everything(learner)["history"] == []


def test_the_ledger_is_whole_afterwards(learner, add_recording, engine):
    for _ in range(3):
        add_recording(learner)
    erase(learner)
    with engine.connect() as connection:
        verified = ledger.verify(connection)
    assert (verified.broken, verified.head.position) == (None, 3)


def test_an_erasure_that_a_hold_stops_leaves_other_intents_alone(
    learner, add_recording, read_message, engine, hold, monkeypatch
):
    message_id = add_recording(learner)
    key = read_message(message_id).audio_storage_key
    with engine.begin() as connection:
        ledger.intend(connection, [IntendedDeletion(key, message_id, DeletionReason.RETENTION)])
    monkeypatch.setattr(
        erase_pages, "erase_objects", held_first(erase_pages.erase_objects, hold, message_id)
    )
    with pytest.raises(LearnerHeld):
        erase(learner)
    with engine.connect() as connection:
        states = connection.execute(
            sa.text("SELECT reason, state FROM audio_ops.deletion_ledger")
        ).all()
    assert states == [("retention", "intended")]


def held_first(work, hold, message_id):
    """Place a hold just before a step of the erasure."""

    def _work(*arguments, **options):
        hold(message_id)
        return work(*arguments, **options)

    return _work
