"""Objects uploaded before their message was saved are given to it."""

from datetime import timedelta

import pytest

from schema.states import HoldScope
from stores.analysis import leases
from tasks.reconciliation import adoption
from tasks.sweep.sweep_retention import set_missing_expiries
from tests.support.sweeping import is_in_bucket
from tests.tasks.conftest import NONE_IS_OLD
from tests.tasks.reconciliation.conftest import EPOCH_MS, key_of

pytestmark = pytest.mark.usefixtures("stage")


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
