"""Legal holds placed while an erasure runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from schema.errors.deletion import LearnerHeld
from schema.states import HoldScope
from tasks.erasure import erase_learner, erase_pages
from tests.support.erasing import erase, versions_under
from tests.support.faulty_bucket import (
    calling_before,
)
from tests.support.sessions import wait_for_a_blocked_session


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
    assert len(versions_under(learner.folder)) == 1
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
    assert len(versions_under(learner.folder)) == 1
    assert ledger_entries()[("erasure", "deleted")] == 1
