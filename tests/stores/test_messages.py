from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from schema.tables.operations import Lease
from stores import leases, messages


@pytest.fixture
def connection(engine):
    """A transaction that is rolled back."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def claimed(engine, add_message):
    """Two messages under one lease: their ids."""
    message_ids = [add_message(), add_message()]
    with engine.begin() as connection:
        leases.claim(connection, limit=2, owner="test", duration=timedelta(minutes=1))
    return message_ids


def leased(connection):
    return set(connection.scalars(sa.select(Lease.message_id)))


def test_a_message_is_read_with_its_audio_columns(connection, add_message, add_conversation):
    sent_at = datetime(2025, 10, 13, 12, tzinfo=UTC)
    conversation_id = add_conversation()
    message_id = add_message(
        conversation_id=conversation_id, timestamp=sent_at, audio_duration_ms=5000
    )
    message = messages.get(connection, message_id)
    assert (message.id, message.conversation_id) == (message_id, conversation_id)
    assert (message.timestamp, message.audio_duration_ms) == (sent_at, 5000)
    assert (message.audio_sample_rate, message.audio_channels) == (24000, 1)  # the seed's defaults


def test_a_message_that_is_not_there_is_none(connection):
    assert messages.get(connection, "nowhere") is None


def test_an_analysed_message_has_its_quick_scores_and_no_lease(connection, claimed):
    first, second = claimed
    messages.mark_analyzed(connection, [(first, 85, 78, 145), (second, None, None, None)])
    message = messages.get(connection, first)
    assert message.audio_processing_state == "analyzed"
    assert (message.pronunciation_score, message.fluency_score) == (85, 78)
    assert message.speech_rate_wpm == 145
    assert messages.get(connection, second).pronunciation_score is None
    assert leased(connection) == set()


def test_success_clears_the_error_of_an_earlier_try(connection, add_message):
    message_id = add_message(audio_processing_error="No speech.")
    messages.mark_analyzed(connection, [(message_id, 1, 2, 3)])
    assert messages.get(connection, message_id).audio_processing_error is None


def test_a_failed_message_says_why_and_has_no_lease(connection, claimed):
    first, second = claimed
    messages.mark_failed(connection, [(first, "The recording holds no speech.")])
    message = messages.get(connection, first)
    assert message.audio_processing_state == "failed"
    assert message.audio_processing_error == "The recording holds no speech."
    assert leased(connection) == {second}


def test_a_failed_message_keeps_the_scores_of_an_analysis_that_worked(connection, add_message):
    message_id = add_message(pronunciation_score=85)
    messages.mark_failed(connection, [(message_id, "gone")])
    assert messages.get(connection, message_id).pronunciation_score == 85


@pytest.mark.parametrize("write", [messages.mark_analyzed, messages.mark_failed])
def test_writing_nothing_is_fine(connection, write):
    write(connection, [])
    assert leased(connection) == set()


def test_counting_stops_at_the_limit(connection, add_message):
    for _ in range(3):
        add_message()
    assert leases.count_waiting(connection, limit=2) == 2
    assert leases.count_waiting(connection, limit=5) == 3
