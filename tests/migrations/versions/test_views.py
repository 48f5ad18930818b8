"""Both views that the app reads: which learners and analyses they contain."""

import json

import pytest
import sqlalchemy as sa

from migrations import run
from stores.deletion import erasure


@pytest.fixture
def erase(engine):
    """Set a learner's tombstone."""

    def _erase(user_id):
        with engine.begin() as connection:
            erasure.begin(connection, user_id, "request 7")

    return _erase


def test_only_analyses_that_worked_of_what_learners_said_have_rows(say, rows, add_conversation):
    conversation = add_conversation()
    say(conversation, {"analysis_error": "No speech."})
    say(conversation, role="assistant")
    assert rows("learner_feedback") == []
    assert rows("learner_progress") == []


@pytest.mark.parametrize(
    "document",
    [None, {}, "text", 7, [], [1, None, "a", []], [{}], [{"word": None, "accuracyScore": "90"}]],
)
def test_documents_of_another_shape_leave_lists_empty_and_break_nothing(
    say, rows, add_conversation, engine, document
):
    conversation = add_conversation()
    for _ in range(2):
        say(conversation)
    lists = ("speech_timings", "phoneme_analysis", "problematic_words")
    changes = ", ".join(f"{name} = CAST(:document AS jsonb)" for name in lists)
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE message_audio_analysis SET {changes}"),
            {"document": json.dumps(document)},
        )
    for row in rows("learner_feedback"):
        assert row.feedback["timeline"] == row.feedback["phonemeDetails"] == []
    (row,) = rows("learner_progress")
    assert row.worst_phonemes == row.recurring_words == []


def test_guests_have_feedback_and_no_progress(say, rows, add_conversation):
    say(add_conversation(user_id=None, guest_id="browser"))
    (row,) = rows("learner_feedback")
    assert row.user_id is None
    assert rows("learner_progress") == []


def test_an_erased_learner_has_no_row_from_the_tombstone_on(
    say, rows, add_user, add_conversation, erase
):
    erased, other = add_user(), add_user()
    for user_id in (erased, other):
        say(add_conversation(user_id=user_id))
    erase(erased)
    assert [row.user_id for row in rows("learner_feedback")] == [other]
    assert [row.user_id for row in rows("learner_progress")] == [other]


@pytest.mark.parametrize("revision", ["0009", "base"])
def test_the_views_go_and_come_with_their_migration(
    database_url, engine, say, rows, add_conversation, revision
):
    say(add_conversation())
    run.downgrade(database_url, revision)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_view_names(schema="audio_ops") == []
    run.upgrade(database_url)
    assert len(rows("learner_feedback")) == len(rows("learner_progress")) == 1
