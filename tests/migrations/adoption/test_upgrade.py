"""`upgrade` converts any state of the app's database to the documented one and loses no value."""

import psycopg
import pytest

from migrations import run
from schema.errors.adoption import NotAdoptable
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    MIGRATION_0023,
    PEOPLE,
    RAW,
    READ,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
    numbers,
)

WITHOUT_ANALYSIS = (*HALF, "DROP TABLE message_audio_analysis")
SOME_ANALYSES = """
INSERT INTO messages (id, conversation_id, role, content) VALUES ('a', 'c1', 'user', 'Hello'),
    ('b', 'c1', 'user', 'Hello');
INSERT INTO message_audio_analysis (message_id, analyzed_at, overall_accuracy_score) VALUES
    ('a', '2025-10-01', {score}70{score}), ('a', '2025-10-02', {score}80{score}),
    ('a', '2025-09-01', NULL), ('gone', '2025-10-01', {score}60{score}), ('b', now(), NULL)
"""
LOOSE = """
ALTER TABLE message_audio_analysis
    DROP CONSTRAINT message_audio_analysis_message_id_unique,
    DROP CONSTRAINT message_audio_analysis_message_id_messages_id_fk
"""
# Each state, with the statements that create it in an empty database.
STATES = {
    "empty": (),
    "before 0023": (TABLES,),
    "before 0023, with the old timings": (
        TABLES,
        "ALTER TABLE messages ADD COLUMN speech_timings jsonb",
        PEOPLE,
        "INSERT INTO messages (id, conversation_id, role, content, speech_timings)"
        """ VALUES ('t', 'c1', 'assistant', 'a', '[{"word": "a", "startMs": 0}]')""",
    ),
    "all migrations": ALL_MIGRATIONS,
    "0023 without the analysis table": WITHOUT_ANALYSIS,
    "0023 that stopped after the table": (
        TABLES,
        MIGRATION_0023.split(";\nDO", maxsplit=1)[0],
    ),
    "analysis without columns": (
        *HALF,
        "ALTER TABLE message_audio_analysis DROP COLUMN pause_count, DROP COLUMN raw_features,"
        " DROP COLUMN analysis_engine",
    ),
    "analysis with a text score": (
        *HALF,
        "ALTER TABLE message_audio_analysis ALTER overall_accuracy_score TYPE text,"
        " ALTER average_pause_duration_ms TYPE text, ALTER pause_count TYPE text",
        PEOPLE,
        "INSERT INTO messages (id, conversation_id, role, content) VALUES ('a', 'c1', 'user', 'H')",
        "INSERT INTO message_audio_analysis (message_id, overall_accuracy_score,"
        " average_pause_duration_ms, pause_count) VALUES ('a', '85%', '0.5s', '3')",
    ),
    "analysis without keys, with duplicates and orphans": (
        *HALF,
        LOOSE,
        PEOPLE,
        SOME_ANALYSES.format(score=""),
    ),
    "the same, with a text score and without a primary key": (
        *HALF,
        LOOSE,
        "ALTER TABLE message_audio_analysis DROP CONSTRAINT message_audio_analysis_pkey,"
        " ALTER overall_accuracy_score TYPE text",
        PEOPLE,
        SOME_ANALYSES.format(score="'"),
    ),
    "a foreign key with another action": (
        *HALF,
        "ALTER TABLE message_audio_analysis DROP CONSTRAINT"
        " message_audio_analysis_message_id_messages_id_fk, ADD CONSTRAINT"
        " message_audio_analysis_message_id_messages_id_fk FOREIGN KEY (message_id)"
        " REFERENCES messages (id)",
    ),
    "columns of other types": (
        *HALF,
        "ALTER TABLE messages ALTER audio_url_expires_at TYPE timestamptz,"
        " ALTER audio_deleted_at TYPE timestamp(3), ALTER audio_size_bytes TYPE bigint,"
        " ALTER fluency_score TYPE numeric(5,2), ALTER audio_format TYPE varchar(20)",
        "ALTER TABLE message_audio_analysis ALTER speech_timings TYPE json,"
        " ALTER analyzed_at TYPE timestamptz",
        PEOPLE,
        "INSERT INTO messages (id, conversation_id, role, content, audio_url_expires_at,"
        " audio_size_bytes, fluency_score, audio_format) VALUES ('t', 'c1', 'user', 'a',"
        " '2025-10-13 21:00+09', 240000, 78, 'pcm16')",
    ),
    "both names of the duration": (
        *HALF,
        "ALTER TABLE messages ADD COLUMN audio_duration text",
        PEOPLE,
        "INSERT INTO messages (id, conversation_id, role, content, audio_duration,"
        " audio_duration_ms) VALUES ('old', 'c1', 'user', 'a', '5.2s', NULL),"
        " ('both', 'c1', 'user', 'a', '5.2s', '7000'), ('odd', 'c1', 'user', 'a', '5.2s', '5.2'),"
        " ('none', 'c1', 'user', 'a', 'n/a', NULL)",
    ),
    "both names, the new one a number already": (
        *HALF,
        "ALTER TABLE messages ALTER audio_duration_ms TYPE integer USING NULL,"
        " ADD COLUMN audio_duration text",
        PEOPLE,
        "INSERT INTO messages (id, conversation_id, role, content, audio_duration,"
        " audio_duration_ms) VALUES ('old', 'c1', 'user', 'a', '5.2s', NULL),"
        " ('both', 'c1', 'user', 'a', '5.2s', 7000)",
    ),
    "missing defaults and NOT NULL": (
        *HALF,
        "ALTER TABLE messages ALTER audio_processing_state DROP DEFAULT,"
        " ALTER audio_channels SET DEFAULT 2, ALTER audio_size_bytes SET NOT NULL",
        "ALTER TABLE message_audio_analysis ALTER analysis_version DROP NOT NULL,"
        " ALTER analysis_version DROP DEFAULT, ALTER analyzed_at DROP NOT NULL",
    ),
    "an INVALID index": (
        *HALF,
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'messages_audio_storage_idx'::regclass",
    ),
    "an index of another definition": (
        *HALF,
        "DROP INDEX messages_audio_cleanup_idx",
        "CREATE INDEX messages_audio_cleanup_idx ON messages (audio_deleted_at)",
    ),
    "a tier that is text": (
        *HALF,
        "ALTER TABLE subscriptions ALTER current_tier DROP DEFAULT, ALTER current_tier TYPE text",
    ),
}
# A rollback keeps the upgrade's version of these: an INVALID or wrong index, a wrong key.
NOT_PUT_BACK = {
    "empty",
    "a foreign key with another action",
    "an INVALID index",
    "an index of another definition",
}


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


@pytest.mark.parametrize("state", sorted(STATES.keys() - NOT_PUT_BACK))
def test_every_state_can_be_restored(url, state):
    make(url, *STATES[state])
    rows, schema = contents(url), catalogue(url)
    run.upgrade(url)
    run.rollback(url)
    assert catalogue(url) == schema
    assert contents(url) == rows
    run.upgrade(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == (rows, schema)


@pytest.mark.parametrize(
    ("statements", "duration"),
    [((TABLES,), "audio_duration"), (HALF, "audio_duration_ms")],
)
def test_texts_are_read_as_what_is_meant_and_come_back_byte_for_byte(url, statements, duration):
    make(url, *statements)
    add_texts(url, duration)
    before = contents(url)
    done = run.upgrade(url)
    assert numbers(url) == READ
    assert {(one.column, one.shape): (one.count, one.read) for one in done.texts}[
        duration, "clock"
    ] == (1, 1)
    run.rollback(url)
    assert contents(url) == before


def test_every_text_that_is_not_just_its_number_is_kept(url):
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        kept = connection.execute(
            "SELECT message_id, column_name, value FROM audio_ops.parked_text"
        )
        found = {(row[0], row[1]): row[2] for row in kept}
    wanted = {}
    for message_id, (duration, score) in RAW.items():
        read_duration, read_score = READ[message_id]
        if duration is not None and duration != str(read_duration):
            wanted[message_id, "audio_duration_ms"] = duration
        if score is not None and score != str(read_score):
            wanted[message_id, "pronunciation_score"] = score
    assert found == wanted


def test_a_number_written_since_wins_over_the_kept_text(url):
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    make(url, "UPDATE messages SET pronunciation_score = 91 WHERE id IN ('seconds', 'nothing')")
    run.rollback(url)
    scores = {message_id: pair[1] for message_id, pair in numbers(url).items()}
    assert (scores["seconds"], scores["nothing"], scores["clock"]) == ("91", "91", "0.85")


def test_the_old_duration_fills_the_new_one_where_that_is_empty_and_stays(url):
    make(url, *STATES["both names of the duration"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id, audio_duration_ms, audio_duration FROM messages")
        assert {row[0]: row[1:] for row in rows} == {
            "old": (5200, "5.2s"),
            "both": (7000, "5.2s"),
            "odd": (5200, "5.2s"),
            "none": (None, "n/a"),
        }


def test_the_newest_of_several_analyses_stays_and_the_others_are_parked(url):
    make(url, *STATES["analysis without keys, with duplicates and orphans"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        kept = connection.execute(
            "SELECT message_id, overall_accuracy_score FROM message_audio_analysis ORDER BY 1"
        ).fetchall()
        parked = connection.execute(
            "SELECT message_id, document ->> 'message_id', document ->> 'overall_accuracy_score'"
            " FROM audio_ops.parked_analysis ORDER BY 2, 3"
        ).fetchall()
    assert kept == [("a", 80), ("b", None)]
    assert parked == [("a", "a", "70"), ("a", "a", None), (None, "gone", "60")]


def test_an_instant_with_a_zone_keeps_its_moment_in_utc(url):
    make(url, *STATES["columns of other types"])
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT audio_url_expires_at::text FROM messages").fetchone()
    assert row == ("2025-10-13 12:00:00",)


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


def test_analyses_are_not_dropped_unless_it_is_said(url):
    make(url, TABLES)
    add_texts(url, "audio_duration")
    run.upgrade(url)
    make(url, "INSERT INTO message_audio_analysis (message_id) VALUES ('whole')")
    before = contents(url)
    with pytest.raises(run.AnalysesWouldGo, match="1 analyses"):
        run.rollback(url)
    assert contents(url) == before
    run.rollback(url, drop_analyses=True)
    assert "message_audio_analysis" not in contents(url)


def test_a_dry_run_reports_everything_and_writes_nothing(url):
    make(url, *ALL_MIGRATIONS)
    add_texts(url)
    rows, schema = contents(url), catalogue(url)
    seen = run.preview(url)
    assert seen.steps[0].what.startswith("Change messages: audio_duration_ms")
    assert sum(one.count for one in seen.survey.texts if one.column == "audio_duration_ms") == 10
    assert (contents(url), catalogue(url)) == (rows, schema)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regnamespace('audio_ops')").fetchone() == (None,)


def test_texts_misread_by_an_earlier_version_are_read_again(url):
    make(url, *HALF)
    add_texts(url)
    make(
        url,
        "CREATE SCHEMA audio_ops",
        "CREATE TABLE audio_ops.alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO audio_ops.alembic_version VALUES ('0002')",
        "CREATE TABLE audio_ops.audio_columns_step (step text PRIMARY KEY)",
        "INSERT INTO audio_ops.audio_columns_step VALUES"
        " ('cast audio_duration_ms'), ('cast pronunciation_score')",
        "CREATE TABLE audio_ops.parked_text (message_id text NOT NULL REFERENCES messages"
        " ON DELETE CASCADE, column_name text NOT NULL, value text NOT NULL,"
        " PRIMARY KEY (message_id, column_name))",
        "INSERT INTO audio_ops.parked_text VALUES ('bare', 'audio_duration_ms', '5.2'),"
        " ('bare', 'pronunciation_score', '5.2'), ('clock', 'pronunciation_score', '0.85'),"
        " ('seconds', 'audio_duration_ms', '5.2s'), ('comma', 'pronunciation_score', '0,85')",
        "ALTER TABLE messages ALTER audio_duration_ms TYPE integer USING"
        " CASE id WHEN 'bare' THEN 5 END, ALTER pronunciation_score TYPE integer USING"
        " CASE id WHEN 'bare' THEN 5 WHEN 'clock' THEN 1 WHEN 'comma' THEN 77 END",
    )
    run.upgrade(url)
    now = numbers(url)
    assert (now["bare"], now["clock"]) == ((None, None), (None, 85))
    assert now["seconds"][0] == 5200
    assert now["comma"][1] == 77  # written since
    run.rollback(url)
    assert numbers(url)["bare"] == ("5.2", "5.2")


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


def test_a_dry_run_on_an_empty_database_says_that_it_has_no_app(url):
    assert [step.what.partition(",")[0] for step in run.preview(url).steps] == [
        "Create the app's tables"
    ]


# Back, and up again


def test_one_rollback_undoes_several_upgrades(url):
    make(url, TABLES)
    before = catalogue(url)
    run.upgrade(url)
    make(url, "ALTER TABLE messages DROP COLUMN audio_url_expires_at")
    run.upgrade(url)
    run.rollback(url)
    assert catalogue(url) == before
    assert run.rollback(url) == ()


def test_parked_data_is_restored_even_if_the_app_created_the_columns_itself(url):
    make(url, TABLES, PEOPLE)
    run.upgrade(url)
    make(
        url,
        "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
        " audio_processing_state, audio_channels) VALUES"
        " ('a', 'c1', 'user', 'a', 'audio/a.wav', 'analyzed', 2),"
        " ('b', 'c1', 'user', 'b', 'audio/b.wav', 'analyzed', 2)",
    )
    run.rollback(url)
    make(url, MIGRATION_0023, "UPDATE messages SET audio_storage_key = 'new' WHERE id = 'b'")
    run.upgrade(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT id, audio_storage_key, audio_processing_state, audio_channels FROM messages"
            " ORDER BY id"
        ).fetchall()
    assert rows == [("a", "audio/a.wav", "analyzed", 2), ("b", "new", "analyzed", 2)]
    assert run.upgrade(url) == run.Upgrade((), (), ())


@pytest.mark.parametrize(
    "key",
    [
        "ADD CONSTRAINT message_audio_analysis_message_id_messages_id_fk"
        " FOREIGN KEY (message_id) REFERENCES messages (id) NOT VALID",
        "ADD CONSTRAINT message_audio_analysis_message_id_unique UNIQUE (message_id, analyzed_at)",
    ],
)
def test_parked_analyses_come_back_where_another_key_of_that_name_stood(url, key):
    make(url, *STATES["analysis without keys, with duplicates and orphans"])
    make(url, f"ALTER TABLE message_audio_analysis {key}")
    before = contents(url)
    run.upgrade(url)
    run.rollback(url)
    assert contents(url) == before


@pytest.mark.parametrize(
    ("table", "column", "default"),
    [
        ("messages", "audio_format", "'a::b'"),
        ("messages", "audio_format", "'see :log, 100 %'"),
        ("messages", "pronunciation_score", "''"),
        ("messages", "audio_retention_expires_at", "CAST('2099-01-01' AS date) + 1"),
    ],
)
def test_a_default_comes_back_as_it_was(url, table, column, default):
    make(url, *HALF, f"ALTER TABLE {table} ALTER {column} SET DEFAULT {default}")
    before = catalogue(url)
    run.upgrade(url)
    run.check(url)
    run.rollback(url)
    assert catalogue(url) == before


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


def test_an_inconvertible_column_is_refused_before_anything_is_changed(url):
    make(url, *HALF, "ALTER TABLE messages ADD COLUMN speech_timings text")
    before = catalogue(url)
    with pytest.raises(NotAdoptable, match="speech_timings is text"):
        run.upgrade(url)
    assert catalogue(url) == before
