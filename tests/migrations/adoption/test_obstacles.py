"""Databases that cannot be adopted or rolled back: refused before anything is changed."""

import pytest

from migrations import run
from schema.errors.adoption import NotAdoptable
from tests.migrations.adoption.conftest import assert_refused
from tests.support.app_database import HALF, PEOPLE, catalogue, make

SCORE = "pronunciation_score"
# Statements that make a database impossible to adopt, and what the error says about it.
OBSTACLES = {
    "a view called messages": (
        "ALTER TABLE messages RENAME TO m; CREATE VIEW messages AS SELECT * FROM m",
        "messages is a view",
    ),
    "a partitioned table": (
        "ALTER TABLE messages RENAME TO m;"
        "CREATE TABLE messages (LIKE m INCLUDING DEFAULTS) PARTITION BY HASH (id)",
        "messages is a partitioned table",
    ),
    "a foreign table": (
        "ALTER TABLE messages RENAME TO m; CREATE FOREIGN DATA WRAPPER w;"
        "CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE messages (id text) SERVER s",
        "messages is a foreign table",
    ),
    "no conversations": ("DROP TABLE conversations CASCADE", "The table conversations is missing"),
    "another app's messages": (
        "ALTER TABLE messages DROP COLUMN conversation_id",
        "messages.conversation_id is missing",
    ),
    "ids of another type": (
        "ALTER TABLE messages DROP CONSTRAINT messages_pkey CASCADE;"
        "ALTER TABLE messages ALTER id TYPE uuid USING gen_random_uuid()",
        "messages.id is uuid, not text",
    ),
    "analyses of nothing": (
        "ALTER TABLE message_audio_analysis DROP COLUMN message_id",
        "message_audio_analysis.message_id is missing",
    ),
    "text in place of an instant": (
        "ALTER TABLE messages ALTER audio_retention_expires_at TYPE text",
        "messages.audio_retention_expires_at is text, not timestamp without time zone",
    ),
    "an interval of old": (
        "ALTER TABLE messages RENAME audio_duration_ms TO audio_duration;"
        "ALTER TABLE messages ALTER audio_duration TYPE interval USING NULL",
        "messages.audio_duration is interval, not integer",
    ),
    "sizes that no integer holds": (
        "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint;"
        f"{PEOPLE}; INSERT INTO messages (id, conversation_id, role, content, audio_size_bytes)"
        " VALUES ('a', 'c1', 'user', 'Hello', 3000000000)",
        "messages.audio_size_bytes holds numbers that no integer holds",
    ),
    "a generated column": (
        "ALTER TABLE messages DROP COLUMN audio_size_bytes, ADD COLUMN audio_size_bytes integer"
        " GENERATED ALWAYS AS (length(content)) STORED",
        "messages.audio_size_bytes is generated",
    ),
    "a view": (f"CREATE VIEW v AS SELECT {SCORE} FROM messages", "view v uses it"),
    "a materialized view": (
        f"CREATE MATERIALIZED VIEW v AS SELECT {SCORE} FROM messages",
        "materialized view v uses it",
    ),
    "a view of the old duration": (
        "ALTER TABLE messages RENAME audio_duration_ms TO audio_duration;"
        "CREATE VIEW v AS SELECT audio_duration FROM messages",
        "messages.audio_duration must be changed, but view v uses it",
    ),
    "a view of the old timings": (
        "ALTER TABLE messages ADD COLUMN speech_timings jsonb;"
        "CREATE VIEW v AS SELECT speech_timings FROM messages",
        "messages.speech_timings must be changed, but view v uses it",
    ),
    "a rule": (
        f"CREATE RULE r AS ON UPDATE TO messages WHERE new.{SCORE} = '' DO INSTEAD NOTHING",
        "rule r on table messages uses it",
    ),
    "a trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        f"CREATE TRIGGER g BEFORE UPDATE OF {SCORE} ON messages FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger g on table messages uses it",
    ),
    "a policy": (
        f"CREATE POLICY p ON messages USING ({SCORE} IS NOT NULL)",
        "policy p on table messages uses it",
    ),
    "another column made of it": (
        f"ALTER TABLE messages ADD COLUMN twice text GENERATED ALWAYS AS ({SCORE} || 'x') STORED",
        "default value for column twice of table messages uses it",
    ),
    "a function": (
        f"CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT {SCORE} FROM messages; END",
        "function f() uses it",
    ),
    "a publication": (
        f"CREATE PUBLICATION p FOR TABLE messages WHERE ({SCORE} = '85')",
        "publication of table messages in publication p uses it",
    ),
    "a check": (
        f"ALTER TABLE messages ADD CONSTRAINT looks_right CHECK ({SCORE} <> 'n/a')",
        "constraint looks_right on table messages uses it",
    ),
    "an index of an expression": (
        f"CREATE INDEX i ON messages (lower({SCORE}))",
        "index i uses it",
    ),
    "an index of some rows": (
        f"CREATE INDEX i ON messages (id) WHERE {SCORE} <> ''",
        "index i uses it",
    ),
    "a newer version's tables": (
        "CREATE SCHEMA audio_ops; CREATE TABLE audio_ops.alembic_version (version_num text);"
        "INSERT INTO audio_ops.alembic_version VALUES ('9999')",
        "is at 9999, which this version of kaiwa-audio does not know",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_obstacles_are_named_before_anything_is_changed(url, obstacle):
    statements, message = OBSTACLES[obstacle]
    make(url, *HALF, *statements.split(";") if "BEGIN" not in statements else [statements])
    assert_refused(url, message)
    if "newer" in obstacle:
        assert_refused(url, message, run.examine)
        assert_refused(url, message, run.preview)
    else:
        found = run.examine(url)
        assert not found.is_documented
        assert message in " ".join(found.obstacles)
        assert run.preview(url).obstacles == found.obstacles


def test_objects_that_postgres_rebuilds_are_no_obstacle(url):
    make(
        url,
        *HALF,
        f"CREATE INDEX i ON messages ({SCORE}, audio_duration_ms)",
        f"CREATE STATISTICS s ON {SCORE}, role FROM messages",
        "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint,"
        " ADD CONSTRAINT is_any CHECK (audio_size_bytes > 0)",
        "CREATE VIEW v AS SELECT id, audio_storage_key FROM messages",
        "CREATE POLICY p ON messages USING (role = 'user')",
    )
    run.upgrade(url)
    run.check(url)


def test_objects_that_use_a_column_changed_by_a_rollback_are_named_first(adopted):
    for use, message in (
        (f"VIEW v AS SELECT {SCORE} FROM messages", f"messages.{SCORE}"),
        (f"INDEX v ON messages (id) WHERE {SCORE} > 90", f"messages.{SCORE}"),
    ):
        make(adopted, f"CREATE {use}")
        assert_refused(adopted, message, run.rollback)
        make(adopted, f"DROP {use.split(' ', maxsplit=1)[0]} v")
    run.rollback(adopted)


def test_a_rollback_of_what_a_newer_version_has_made_is_refused(adopted):
    make(adopted, "UPDATE audio_ops.alembic_version SET version_num = '9999'")
    assert_refused(adopted, "is at 9999", run.rollback)


def test_an_inconvertible_column_is_refused_before_anything_is_changed(url):
    make(url, *HALF, "ALTER TABLE messages ADD COLUMN speech_timings text")
    before = catalogue(url)
    with pytest.raises(NotAdoptable, match="speech_timings is text"):
        run.upgrade(url)
    assert catalogue(url) == before
