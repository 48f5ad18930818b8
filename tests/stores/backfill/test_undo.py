from datetime import timedelta

import pytest
import sqlalchemy as sa

from schema.facts.backfill import FinishedItem
from schema.states import BackfillOutcome
from stores.analysis import analyses, messages
from stores.backfill import backfills, leases, outcomes
from stores.backfill import undo as backfill_undo
from stores.deletion import erasure
from tests.support.backfilling import ANALYZED_AT, RELEASE, analysis

LATER = ANALYZED_AT + timedelta(days=30)


@pytest.fixture
def snapshot(engine):
    """Return all rows of messages and analyses."""

    def _snapshot():
        with engine.connect() as connection:
            return {
                table: connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1")).all()
                for table in ("messages", "message_audio_analysis")
            }

    return _snapshot


@pytest.fixture
def rescore(engine):
    """Analyse all messages of a backfill."""

    def _rescore(number):
        with engine.begin() as connection:
            claim = leases.claim(
                connection,
                number,
                RELEASE,
                limit=100,
                owner="test",
                duration=timedelta(minutes=1),
            )
            ids = [message.message_id for message in claim.messages]
            leases.lock_held(connection, claim.token, RELEASE)
            outcomes.keep_previous(connection, claim.token, ids)
            version = {"analysis_version": "2.0", "analysis_model_version": "en-new"}
            records = [analysis(id_, 90, 95, analyzed_at=LATER, **version) for id_ in ids]
            analyses.upsert(connection, records)
            messages.mark_analyzed(connection, [(id_, 90, 95, 100) for id_ in ids])
            done = [FinishedItem(id_, BackfillOutcome.ANALYZED) for id_ in ids]
            outcomes.finish(connection, claim.token, done)

    return _rescore


@pytest.fixture
def undo(engine):
    """Undo a backfill, page by page; return the number of restored messages."""

    def _undo(number, limit=2):
        undone, after = 0, 0
        with engine.begin() as connection:
            assert backfill_undo.begin(connection, number, reason="worse")
        while True:
            with engine.begin() as connection:
                page = backfill_undo.page(connection, number, after_id=after, limit=limit)
                if not page:
                    return undone
                undone += backfill_undo.undo(connection, page)
                after = page[-1]

    return _undo


@pytest.fixture
def history(add_scored, add_message):
    """An analysis, a failed one, and none."""
    return [
        add_scored(analysis_warnings=("noisy",), practice_words=("world",)),
        add_scored(analysis_error="silence"),
        add_message(audio_processing_state="analyzed"),
    ]


def test_everything_is_again_as_it_was(history, freeze, rescore, undo, snapshot, engine):
    before = snapshot()
    number = freeze()
    rescore(number)
    assert snapshot() != before
    with engine.connect() as connection:
        assert backfill_undo.count(connection, number) == (3, 0)
    assert undo(number) == 3
    assert snapshot() == before
    assert undo(number) == 0


def test_undone_analyses_stay_in_the_history(history, freeze, rescore, undo, engine):
    number = freeze()
    rescore(number)
    undo(number)
    query = sa.text(
        "SELECT analysis_version, overall_accuracy_score FROM audio_ops.analysis_history"
        " WHERE message_id = :id ORDER BY id"
    )
    with engine.connect() as connection:
        assert connection.execute(query, {"id": history[0]}).all() == [("1.0", 60), ("2.0", 90)]


def test_newer_analyses_stay(history, freeze, rescore, undo, engine, snapshot):
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        newer = analysis(history[0], 77, 77, analyzed_at=LATER + timedelta(days=1))
        analyses.upsert(connection, [newer])
        assert backfill_undo.count(connection, number) == (2, 1)
    assert undo(number) == 2
    with engine.connect() as connection:
        assert analyses.get_by_message(connection, history[0]).overall_accuracy_score == 77


def test_a_message_uploaded_again_stays_with_the_live_pipeline(
    history, freeze, rescore, undo, engine
):
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE messages SET audio_processing_state = 'uploaded' WHERE id = :id"),
            {"id": history[0]},
        )
    undo(number)
    with engine.connect() as connection:
        assert messages.get(connection, history[0]).audio_processing_state == "uploaded"


def test_undone_waiting_messages_may_be_selected_again(history, freeze, undo, items):
    number = freeze()
    undo(number)
    assert {item.outcome for item in items(number)} == {"undone"}
    again = freeze()
    assert again != number
    assert len(items(again)) == 3


def test_erased_learners_get_nothing_back(
    add_user, add_conversation, add_scored, freeze, rescore, undo, engine
):
    user = add_user()
    message_id = add_scored(message={"conversation_id": add_conversation(user_id=user)})
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        erasure.begin(connection, user, "request 3")
    assert undo(number) == 0
    with engine.connect() as connection:
        assert analyses.get_by_message(connection, message_id).overall_accuracy_score == 90


@pytest.mark.parametrize(
    "change",
    [
        # Uploaded again; the live analysis failed and kept the older, successful one.
        "UPDATE messages SET audio_processing_state = 'failed', audio_processing_error = 'silence'",
        "UPDATE messages SET audio_storage_key = 'audio/user/conversation/anew.wav'",
    ],
)
def test_changes_to_a_newer_recording_stay(
    add_scored, freeze, rescore, undo, engine, snapshot, change
):
    add_scored()
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        connection.execute(sa.text(change))
    before = snapshot()
    assert undo(number) == 0
    assert snapshot() == before


def test_columns_that_the_app_adds_later_keep_what_they_say(
    add_scored, freeze, rescore, undo, engine
):
    add_scored()
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE message_audio_analysis ADD COLUMN note text NOT NULL DEFAULT 'n'")
        )
    assert undo(number) == 1
    with engine.connect() as connection:
        said = connection.execute(
            sa.text("SELECT note, overall_accuracy_score FROM message_audio_analysis")
        ).one()
    assert tuple(said) == ("n", 60)


def test_only_a_finished_backfill_that_was_not_undone_can_be_released(
    history, freeze, rescore, undo, engine
):
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        assert backfill_undo.release(connection, number) is None
        backfills.end(connection, number, {})
    undo(number)
    with engine.begin() as connection:
        assert backfill_undo.release(connection, number) is None


def test_a_released_backfill_cannot_be_undone(history, freeze, rescore, engine):
    number = freeze()
    rescore(number)
    with engine.begin() as connection:
        backfills.end(connection, number, {})
        assert backfill_undo.release(connection, number) == 3
        assert not backfill_undo.begin(connection, number, reason="worse")
        assert backfills.get(connection, number).released
    with engine.connect() as connection:
        kept = sa.text("SELECT count(*) FROM audio_ops.backfill_previous")
        assert connection.execute(kept).scalar_one() == 0
