"""Objects that no message may adopt."""

from datetime import UTC, datetime

import pytest

from schema.states import DeletionState
from tests.tasks.reconciliation.conftest import key_of

pytestmark = pytest.mark.usefixtures("stage")


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
