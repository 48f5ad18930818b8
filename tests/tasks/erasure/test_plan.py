"""What an erasure checks and counts before it changes anything."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schema.errors.deletion import LearnerHeld, LearnerUnknown
from schema.errors.storage import UnprovenBucket, WrongBucket
from schema.facts.deletion import ErasureReport
from schema.states import HoldScope
from tasks.erasure import erase_learner
from tasks.resources import storage
from tests.support.erasing import erase, keep_versions
from tests.support.sweeping import is_in_bucket

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


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


def test_a_learner_without_any_trace_is_an_error(stage, noon):
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
    with pytest.raises(LearnerHeld, match="1 legal hold covers"):
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
    """Another environment's bucket has a marker, and reports every key as deleted."""
    add_recording(learner)
    add_recording(new_learner(), audio=None)
    before = everything(learner)
    with pytest.raises(UnprovenBucket):
        erase(learner)
    assert everything(learner) == before
