from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from schema.tables.operations import Lease
from stores.analysis import leases, messages


@pytest.fixture
def claimed(engine, add_message):
    """The ids of two messages under one lease."""
    message_ids = [add_message(), add_message()]
    with engine.begin() as connection:
        leases.claim(
            connection,
            languages=["en"],
            limit=2,
            owner="test",
            duration=timedelta(minutes=1),
        )
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
    assert (message.audio_sample_rate, message.audio_channels) == (24000, 1)  # the app's defaults


def test_a_missing_message_is_none(connection):
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


# Scores that the app emptied


def put_back(engine, limit=100, after_id=""):
    with engine.begin() as connection:
        return messages.put_back_scores(connection, after_id=after_id, limit=limit)


def score(engine, message_id):
    with engine.connect() as connection:
        return messages.get(connection, message_id).pronunciation_score


def test_scores_that_the_app_emptied_are_restored(engine, add_scored, app_saves_again):
    ids = [add_scored(accuracy) for accuracy in (60, 0)]
    assert put_back(engine) == []
    app_saves_again()
    assert put_back(engine) == ids
    assert [score(engine, message_id) for message_id in ids] == [60, 0]
    assert put_back(engine) == []


@pytest.mark.parametrize(
    ("columns", "duration_ms"),
    [
        ({"audio_size_bytes": 240_000}, 5000),
        ({"audio_size_bytes": 240_000, "audio_sample_rate": 8000, "audio_channels": 2}, 7500),
        ({"audio_size_bytes": 240_000, "audio_format": "wav"}, None),  # its header contains it
        ({"audio_size_bytes": None}, None),
        ({"audio_size_bytes": 240_000, "audio_sample_rate": 0}, None),
        ({"audio_size_bytes": 2**31 - 1, "audio_sample_rate": 1}, None),
    ],
)
def test_durations_are_restored_where_the_size_determines_them(
    engine, add_scored, app_saves_again, columns, duration_ms
):
    message_id = add_scored(message={"audio_duration_ms": 5000, **columns})
    app_saves_again()
    assert put_back(engine) == [message_id]
    with engine.connect() as connection:
        assert messages.get(connection, message_id).audio_duration_ms == duration_ms


def test_scores_are_restored_page_by_page(engine, add_scored, app_saves_again):
    ids = sorted(add_scored() for _ in range(5))
    app_saves_again()
    first = put_back(engine, limit=2)
    assert first == ids[:2]
    assert put_back(engine, limit=2, after_id=first[-1]) == ids[2:4]
    assert put_back(engine, after_id=ids[3]) == ids[4:]


@pytest.mark.parametrize(
    ("message", "analysis"),
    [
        ({"audio_processing_state": "uploaded"}, {}),
        ({"audio_processing_state": "failed"}, {}),
        ({"fluency_score": None}, {}),  # no scores were ever written
        ({}, {"overall_accuracy_score": None}),
        ({}, {"analysis_error": "silence", "overall_accuracy_score": 60}),
    ],
    ids=str,
)
def test_no_other_score_is_restored(engine, add_scored, app_saves_again, message, analysis):
    columns = {"audio_processing_state": "analyzed", "fluency_score": 70}
    message_id = add_scored(message=columns | message, **analysis)
    app_saves_again()
    assert put_back(engine) == []
    assert score(engine, message_id) is None


def test_a_score_without_an_analysis_stays_empty(engine, add_message):
    add_message(audio_processing_state="analyzed", fluency_score=70)
    assert put_back(engine) == []


def test_rows_being_written_are_not_waited_for(engine, add_scored, app_saves_again):
    writing, other = add_scored(), add_scored()
    app_saves_again()
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE messages SET content = 'longer' WHERE id = :id"), {"id": writing}
        )
        assert put_back(engine) == [other]
    assert put_back(engine) == [writing]


def test_a_new_url_is_still_written_in_place(engine, add_scored):
    """None of our indexes may contain a column that a refresh writes."""
    add_scored()
    hot = sa.text("SELECT pg_stat_get_xact_tuples_hot_updated('messages'::regclass)")
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE messages SET audio_url = 'https://x', audio_url_expires_at = now()")
        )
        assert connection.execute(hot).scalar_one() == 1
