"""`upgrade` converts any state of the app's database to the documented one."""

import psycopg
import pytest

from migrations import run
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    MIGRATION_0023,
    PEOPLE,
    TABLES,
    catalogue,
    contents,
    make,
)
from tests.support.app_states import STATES


@pytest.fixture
def documented(database_url):
    """The upgraded tables in the catalogue of an adopted database."""
    return mended(database_url)


def mended(url):
    tables = ("messages.", "messages ", "message_audio_analysis", "audio_ops")
    kept = ("messages.audio_duration", "messages.speech_timings")
    return [row for row in catalogue(url) if row[0].startswith(tables) and row[0] not in kept]


@pytest.mark.parametrize("state", STATES)
def test_every_state_becomes_the_documented_one(url, documented, state):
    make(url, *STATES[state])
    before = contents(url)
    run.upgrade(url)
    if "tier" not in state:
        run.check(url)
    assert mended(url) == documented
    assert run.upgrade(url) == run.Upgrade((), (), ())
    after = contents(url)
    for table in ("users", "subscriptions", "conversations", "languages"):
        if table in before:
            assert after[table] == before[table]


def test_objects_dropped_by_drizzle_push_are_recreated(url):
    make(url, *ALL_MIGRATIONS)
    run.upgrade(url)
    schema = catalogue(url)
    make(
        url,
        "DROP INDEX audio_ops_messages_waiting_idx, audio_ops_messages_expiring_idx;"
        "DROP TRIGGER audio_ops_queue_orphans ON messages",
    )
    done = run.upgrade(url)
    assert len(done.done) == 3
    assert catalogue(url) == schema


def test_a_trigger_that_was_disabled_is_enabled_again(url):
    run.upgrade(url)
    make(url, "ALTER TABLE messages DISABLE TRIGGER audio_ops_queue_orphans")
    assert len(run.upgrade(url).done) == 1


def test_the_apps_migration_0023_runs_after_ours_and_changes_nothing(url):
    make(url, TABLES)
    run.upgrade(url)
    schema = catalogue(url)
    make(url, MIGRATION_0023)
    assert catalogue(url) == schema
    assert run.upgrade(url) == run.Upgrade((), (), ())


def test_dropping_our_schema_leaves_the_app_unharmed(url):
    make(url, *ALL_MIGRATIONS, PEOPLE)
    run.upgrade(url)
    before = contents(url)
    make(url, "DROP SCHEMA audio_ops CASCADE")
    assert contents(url) == before
    run.upgrade(url)
    run.check(url)


def test_the_apps_own_test_script_runs(url):
    run.upgrade(url)
    with psycopg.connect(url, autocommit=True) as app:
        app.execute(
            "INSERT INTO conversations (id, target_language_id) VALUES ('test-conv-1', 'en')"
        )
        app.execute(
            "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
            " audio_duration_ms, audio_processing_state) VALUES ('test-msg-1', 'test-conv-1',"
            " 'user', 'Hello world', 'audio/test/test-msg-1.wav', 5000, 'uploaded')"
        )
        app.execute(
            "INSERT INTO message_audio_analysis (message_id, overall_accuracy_score,"
            " overall_fluency_score, speech_rate_wpm, analysis_engine)"
            " VALUES ('test-msg-1', 85, 78, 145, 'echogarden')"
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            app.execute("INSERT INTO message_audio_analysis (message_id) VALUES ('test-msg-1')")
        stored = app.execute("SELECT analysis_version, analysis_engine FROM message_audio_analysis")
        assert stored.fetchone() == ("1.0", "echogarden")
        defaults = app.execute("SELECT audio_sample_rate, audio_channels FROM messages").fetchone()
        assert defaults == (24000, 1)
        app.execute("DELETE FROM messages WHERE id = 'test-msg-1'")
        assert app.execute("SELECT count(*) FROM message_audio_analysis").fetchone() == (0,)


def test_another_schema_before_public_does_not_count_as_the_app(url):
    name = url.rpartition("/")[2]
    make(
        url,
        *ALL_MIGRATIONS,
        "CREATE SCHEMA legacy; CREATE TABLE legacy.messages (id text PRIMARY KEY)",
        f"ALTER DATABASE {name} SET search_path = legacy, public",
    )
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        referenced = connection.execute(
            "SELECT DISTINCT confrelid::regclass::text FROM pg_constraint"
            " WHERE contype = 'f' AND conrelid = 'audio_ops.lease'::regclass"
        ).fetchall()
    assert referenced == [("public.messages",)]


def test_truncating_the_tables_later_breaks_nothing(adopted):
    make(adopted, "TRUNCATE message_audio_analysis", "TRUNCATE messages CASCADE")
    assert run.upgrade(adopted) == run.Upgrade((), (), ())
    assert run.examine(adopted).is_documented
    run.rollback(adopted)
    run.upgrade(adopted)


def test_an_unknown_tier_is_left_alone(url):
    make(
        url,
        *HALF,
        "ALTER TYPE subscription_tier ADD VALUE 'lifetime'",
        PEOPLE,
        "UPDATE subscriptions SET current_tier = 'lifetime'",
    )
    before = contents(url)["subscriptions"]
    run.upgrade(url)
    assert run.examine(url).is_documented
    assert contents(url)["subscriptions"] == before
