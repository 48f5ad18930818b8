"""Erasures that are killed, or whose bucket fails: the next run completes them."""

import signal
import subprocess
import sys

import pytest

from schema.facts.deletion import ErasureReport
from tasks.erasure import erase_learner
from tasks.resources import storage
from tests.support.erasing import erase, keep_versions, versions_under
from tests.support.faulty_bucket import (
    answered,
    calling_after,
    lost_answer,
    refused,
)

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
    assert row.audio_processing_state == "failed"  # so that no run analyses it meanwhile
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
    oldest = versions_under(key)[-1].version_id

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
    assert versions_under(key) == []


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


def test_a_bucket_that_confirms_nothing_gets_no_request_for_further_pages(
    learner, add_recording, faulty_bucket, monkeypatch
):
    monkeypatch.setattr(erase_learner, "ROWS_AT_ONCE", 1)
    for _ in range(4):
        add_recording(learner)
    faulty_bucket.on("DeleteObjects", answered(403, "AccessDenied"))
    erase(learner)
    assert faulty_bucket.count("DeleteObjects") == 2  # one page of messages, one of the folder


def test_an_existing_object_outside_the_folder_does_not_count_as_deleted(
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
    """Run an erasure in a separate process; kill it at its first deletion request."""

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


@pytest.mark.slow
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
    assert len(versions_under(learner.folder)) == (0 if deleted else 3)
    _, left = erase(learner)
    assert left == ErasureReport()
    assert not any(read_message(message_id).audio_storage_key for message_id in ids)
    assert ledger_entries() == {("erasure", "deleted"): 3}
