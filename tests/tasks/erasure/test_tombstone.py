"""The tombstone of an erased learner, and what it blocks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from schema.errors.deletion import LearnerHeld
from schema.facts.deletion import ErasureReport, IntendedDeletion
from schema.states import AnalysisEngine, DeletionReason
from stores.analysis import analyses, leases
from stores.deletion import erasure, ledger
from tasks.analysis.results import write_outcomes
from tasks.analysis.workers import Analysed
from tasks.erasure import erase_learner, erase_pages
from tasks.resources import storage
from tests.support.erasing import LATER, analysis, erase
from tests.support.faulty_bucket import answered
from tests.support.sessions import wait_for_a_blocked_session

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_an_erasure_keeps_its_receipt_over_all_its_runs(learner, execute):
    first = erase_learner.begin_erasure.fn(learner.user_id, "request 7")
    assert erase(learner, reason="request 8")[1].is_empty
    assert erase_learner.begin_erasure.fn(learner.user_id, "request 9") == first
    (row,) = execute("SELECT * FROM audio_ops.erased_learner").all()
    assert (row.reason, row.completed_at) == ("request 7", None)  # it has started again


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


def test_data_restored_from_a_backup_is_found_and_erased_again(
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


def test_a_hold_on_a_deleted_subject_that_may_be_the_learners_blocks_the_erasure(
    learner, add_recording, execute, hold
):
    shared = f"{learner.folder}c/shared_1.wav"
    first = add_recording(learner, audio_storage_key=shared)
    add_recording(learner, audio_storage_key=shared)
    hold(first)
    execute("DELETE FROM messages")  # the trigger queues a shared object without an owner
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
            connection,
            claim,
            {message_id: outcome},
            engine=AnalysisEngine.KAIWA,
            max_attempts=5,
            as_of=LATER,
        )
    assert (report.analyzed, report.lost) == (0, 1)
    with engine.begin() as connection:
        assert leases.release(connection, claim.token) == 0
    assert read_message(message_id).audio_processing_state == "pending"
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
