"""What an erasure deletes and keeps, on real Postgres and a real bucket."""

from datetime import UTC, datetime

import pytest

from schema.facts.deletion import ErasureReport
from tasks.erasure import erase_learner
from tasks.resources import storage
from tests.support.erasing import erase, keep_versions, versions_under
from tests.support.faulty_bucket import answered
from tests.support.sweeping import is_in_bucket

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


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
    # As without a recording: an erasure is no failure.
    assert (after.audio_processing_state, after.audio_processing_error) == ("pending", None)
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


def test_what_the_app_orphans_meanwhile_while_the_queue_is_locked_goes_too(
    learner, put, execute, monkeypatch
):
    put("audio/elsewhere", b"data")
    erase_messages = erase_learner.erase_messages.fn

    def erase_while_the_app_deletes(user_id):
        execute(
            "INSERT INTO audio_ops.orphan_overflow (storage_key, source, user_id)"
            " VALUES ('audio/elsewhere', 'message_deleted', :user_id)",
            user_id=user_id,
        )
        return erase_messages(user_id)

    monkeypatch.setattr(erase_learner.erase_messages, "fn", erase_while_the_app_deletes)
    erased, left = erase(learner)
    assert (erased.orphans, left.is_empty) == (1, True)
    assert not is_in_bucket("audio/elsewhere")


def test_an_erasure_is_not_complete_while_the_overflow_names_the_learner(learner, execute):
    execute(
        "INSERT INTO audio_ops.orphan_overflow (storage_key, source, user_id)"
        " VALUES ('audio/elsewhere', 'message_deleted', :user_id)",
        user_id=learner.user_id,
    )
    left = erase_learner.verify_erasure.fn(learner.user_id)
    assert (left.orphans, left.is_empty) == (1, False)


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


def test_rows_whose_audio_was_deleted_before_lose_its_key_too(learner, add_recording, read_message):
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


def test_findings_about_the_learners_objects_are_erased(
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
    assert erased.control_rows == 4
    kept = "SELECT storage_key FROM audio_ops.{}"
    assert execute(kept.format("reconciliation_finding")).scalars().all() == [
        f"{other.folder}x.wav"
    ]
    left = set(execute(kept.format("bucket_inventory")).scalars())
    assert left == {f"{other.folder}x.wav"}


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


def test_a_learner_without_an_account_is_recognised_by_their_folder(
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


def test_a_server_without_versions_gets_no_request_for_them(learner, add_recording, faulty_bucket):
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
    bucket.delete_many([f"{learner.folder}gone.wav"])  # leaves a version and a delete marker
    keep_versions(status)
    erased, left = erase(learner)
    assert (erased.objects, erased.versions, erased.size_bytes) == (3, 5, 3 + 5 + 8 + 4)
    assert left.is_empty
    assert versions_under(learner.folder) == []
    assert [version.key for version in versions_under(key)] == [f"{key}.other"]


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
