"""Processing a claim on real rows, with a stub for the analysis."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import ClassVar
from uuid import uuid4

import pytest
import sqlalchemy as sa

from schema.errors.storage import WrongBucket
from schema.facts.analysis import AnalysisReport, Claim
from schema.states import AnalysisEngine, FailureCause
from stores.analysis import leases
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.analysis import batch
from tasks.analysis.batch import work_off
from tasks.analysis.workers import NotAnalysed
from tasks.resources import storage

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def analysed_with(monkeypatch):
    """Return the same outcome for every message."""

    def _analysed_with(cause):
        def analyse_all(claim, *_):
            return {message.message_id: NotAnalysed(cause, "odd") for message in claim.messages}

        monkeypatch.setattr(batch, "analyse_all", analyse_all)

    return _analysed_with


@pytest.fixture
def work(noon):
    """Process all waiting messages."""
    claim = partial(
        leases.claim, languages=["en"], limit=10, owner="test", duration=timedelta(minutes=1)
    )

    def _work(write):
        return work_off(
            claim,
            write,
            leases.renew,
            leases.release,
            engine=AnalysisEngine.KAIWA,
            workers=1,
            as_of=noon,
        )

    return _work


@pytest.fixture
def states(engine):
    def _states():
        query = (
            "SELECT m.audio_processing_state, l.token"
            " FROM messages AS m JOIN audio_ops.lease AS l ON l.message_id = m.id"
        )
        with engine.connect() as connection:
            return {tuple(row) for row in connection.execute(sa.text(query))}

    return _states


def test_without_a_claim_nothing_is_written(work):
    assert work(None) == AnalysisReport()


def test_outcomes_are_written_under_the_lease(work, add_message, analysed_with, states):
    ids = {add_message() for _ in range(3)}
    analysed_with(FailureCause.NO_SPEECH)

    def write(connection, claim, outcomes):
        assert leases.lock_held(connection, claim.token, list(ids)) == set(outcomes) == ids
        return AnalysisReport(claimed=len(outcomes))

    assert work(write).claimed == 3
    assert {state for state, _ in states()} == {"analyzing"}  # `write` wrote nothing


def test_messages_are_given_back_when_writing_fails(work, add_message, analysed_with, states):
    add_message()
    analysed_with(FailureCause.NO_SPEECH)

    def fail(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(fail)
    assert states() == {("uploaded", None)}


def test_messages_are_given_back_when_the_bucket_is_at_fault(
    work, add_message, analysed_with, states
):
    add_message()
    storage.bucket().delete_many([MARKER_KEY])
    analysed_with(FailureCause.OBJECT_MISSING)
    with pytest.raises(WrongBucket):
        work(None)
    assert states() == {("uploaded", None)}


def test_conversations_are_analysed_one_after_the_other(monkeypatch, claimed, noon):
    class Workers:
        count = 1
        heard: ClassVar = []

        def analyse(self, message, audio, *, as_of):
            self.heard.append(message.storage_key)
            return NotAnalysed(FailureCause.NO_SPEECH, "odd")

    keys = [
        f"audio/u/{conversation}/{message}.wav" for message in range(3) for conversation in "ab"
    ]
    for key in keys:
        storage.bucket().put(key, b"", "audio/pcm16")
    messages = tuple(replace(claimed("hi"), message_id=key, storage_key=key) for key in keys)
    monkeypatch.setattr(batch, "CLIPS_PER_WORKER_IN_FLIGHT", 1)
    batch.analyse_all(Claim(uuid4(), messages), Workers(), noon, None)
    assert Workers.heard == sorted(keys, key=lambda key: key[8])
