"""Adoptions while the app, a sweep or another reconciliation changes the same objects."""

import pytest
import sqlalchemy as sa

from schema.errors.reconciliation import ListingOvertaken
from schema.errors.storage import StorageUnavailable
from schema.states import DeletionState
from stores.reconciliation import stray_objects
from tasks.reconciliation import adoption
from tasks.reconciliation.adoption import adopt_page
from tasks.reconciliation.findings import compare
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tests.support.faulty_bucket import answered
from tests.support.sweeping import is_in_bucket
from tests.tasks.conftest import ALL_ARE_OLD
from tests.tasks.reconciliation.conftest import EPOCH_MS, key_of

pytestmark = pytest.mark.usefixtures("stage")


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
