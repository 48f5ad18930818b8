"""A learner's data in messages, and its removal."""

import pytest
import sqlalchemy as sa

from stores.deletion import learner_messages
from tests.support.erasing import LATER


@pytest.fixture
def user_id(add_user):
    return add_user()


@pytest.fixture
def add_theirs(add_message, add_conversation, user_id):
    conversation = add_conversation(user_id=user_id)
    return lambda **columns: add_message(conversation_id=conversation, **columns)


def test_pages_hold_the_learners_messages_in_order(connection, add_theirs, add_message, user_id):
    theirs = [add_theirs() for _ in range(3)]
    add_message()
    assert learner_messages.page(connection, user_id, after_id="", limit=2) == theirs[:2]
    assert learner_messages.page(connection, user_id, after_id=theirs[1], limit=2) == theirs[2:]


@pytest.mark.parametrize(
    "columns",
    [
        {"audio_storage_key": "audio/k"},
        {"audio_url": "https://bucket.example/"},
        {"audio_url_expires_at": LATER},
        {"audio_duration_ms": 0},
        {"audio_size_bytes": 0},
        {"audio_format": "wav"},
        {"audio_retention_expires_at": LATER},
        {"pronunciation_score": 0},
        {"fluency_score": 0},
        {"speech_rate_wpm": 0},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_every_trace_of_a_recording_is_counted_and_removed(
    connection, add_theirs, user_id, columns
):
    message_id = add_theirs(**{"audio_storage_key": None, "audio_format": None} | columns)
    add_theirs(audio_storage_key=None, audio_format=None)
    assert learner_messages.count_messages(connection, user_id) == 1
    learner_messages.silence(connection, [message_id])
    learner_messages.confirm(connection, [message_id])
    assert learner_messages.count_messages(connection, user_id) == 0


def test_rows_of_every_table_that_references_messages_go(connection, add_theirs, user_id):
    """This includes tables of later migrations, and those that a downgrade parked."""
    message_id, other = add_theirs(), add_theirs()
    connection.execute(
        sa.text(
            'CREATE TABLE audio_ops."parked_Odd name" ('
            ' "the id" text REFERENCES messages ON DELETE CASCADE, content text)'
        )
    )
    connection.execute(
        sa.text("""INSERT INTO audio_ops."parked_Odd name" VALUES (:one), (:two)"""),
        {"one": message_id, "two": other},
    )
    assert learner_messages.count_rows(connection, user_id)["parked_Odd name"] == 2
    assert learner_messages.silence(connection, [message_id])["parked_Odd name"] == 1
    assert learner_messages.count_rows(connection, user_id)["parked_Odd name"] == 1


def test_the_apps_own_tables_are_left_to_the_app(connection, add_theirs):
    message_id = add_theirs()
    connection.execute(
        sa.text("CREATE TABLE message_feedback (message_id text REFERENCES messages)")
    )
    connection.execute(sa.text("INSERT INTO message_feedback VALUES (:id)"), {"id": message_id})
    assert "message_feedback" not in learner_messages.silence(connection, [message_id])
    assert connection.scalar(sa.text("SELECT count(*) FROM message_feedback")) == 1


def test_keys_elsewhere_are_those_that_do_not_begin_with_the_folder(
    connection, add_theirs, user_id
):
    for key in ("audio/u/1", "audio/u/2", "audio/u_/3", "audio/%/4", None):
        add_theirs(audio_storage_key=key)
    elsewhere = learner_messages.keys_outside(connection, user_id, folder="audio/u/")
    assert elsewhere == {"audio/u_/3", "audio/%/4"}
