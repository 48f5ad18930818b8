"""Generate messages as a sweep finds them after a month without one, in tables of any size.

They are from the last 120 days, twenty per conversation, fifty conversations at a time, by guests
and learners with and without subscriptions. A third of the recordings are deleted, a fifth are
due, the others live. One learner in a thousand and one message in ten thousand are under a legal
hold.
"""

from datetime import timedelta

import sqlalchemy as sa

from local.postgres import PostgresServer
from migrations import run
from stores.database import connect

_PEOPLE = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, n || '@example.org' FROM generate_series(0, {rows} / 200) AS n;
INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)
SELECT md5('u' || n)::uuid, 'sub_' || n, 'price',
    (CASE WHEN mod(n, 10) = 0 THEN 'premium' ELSE 'plus' END)::subscription_tier
FROM generate_series(0, {rows} / 200) AS n WHERE mod(n, 10) < 3;
INSERT INTO conversations (id, user_id, guest_id, target_language_id)
SELECT md5('c' || n)::uuid, CASE WHEN mod(n, 10) > 0 THEN md5('u' || n / 10)::uuid END,
    CASE WHEN mod(n, 10) = 0 THEN 'browser-' || n END, 'en'
FROM generate_series(0, {rows} / 20) AS n;
INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)
SELECT 'user', md5('u' || n)::uuid, 'a case', 'counsel'
FROM generate_series(0, {rows} / 200, 1000) AS n;
INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)
SELECT 'message', md5('m' || n)::uuid, 'a case', 'counsel'
FROM generate_series(0, {rows}, 10000) AS n
"""
_MESSAGES = """
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_url,
    audio_url_expires_at, audio_storage_key, audio_duration_ms, audio_size_bytes, audio_format,
    audio_processing_state, audio_retention_expires_at, audio_deleted_at, pronunciation_score,
    fluency_score, speech_rate_wpm)
SELECT id, conversation_id, 'user', 'Could you say that once more, please?', said_at,
    CASE WHEN deleted_at IS NULL THEN 'https://bucket.example.org/' || repeat('x', 400) END,
    CASE WHEN deleted_at IS NULL THEN this_moment + interval '5 days' END,
    'audio/' || owner || '/' || conversation_id || '/' || id || '_1700000000000.wav', 5000, 240000,
    'pcm16', 'analyzed', expires_at, deleted_at, 80, 70, 110
FROM (
    SELECT md5('m' || n)::uuid AS id, md5('c' || conversation)::uuid AS conversation_id,
        COALESCE(md5('u' || learner)::uuid::text, 'guest') AS owner,
        this_moment, said_at, said_at + kept AS expires_at,
        -- By the last sweep, a month ago.
        CASE WHEN said_at + kept + interval '37 days' < this_moment
            THEN said_at + kept + interval '7 days' END AS deleted_at
    FROM (
        SELECT n, n / 1000 * 50 + mod(n, 50) AS conversation,
            now() AT TIME ZONE 'UTC' AS this_moment,
            now() AT TIME ZONE 'UTC' - ({rows} - n) * interval '120 days' / {rows} AS said_at
        FROM generate_series(0, {rows} - 1) AS n
    ) AS said,
    LATERAL (
        SELECT CASE WHEN mod(conversation, 10) > 0 THEN conversation / 10 END AS learner
    ) AS speaker,
    LATERAL (
        SELECT interval '1 day' * CASE WHEN learner IS NULL THEN 1 WHEN mod(learner, 10) = 0
            THEN 365 WHEN mod(learner, 10) < 3 THEN 90 ELSE 30 END AS kept
    ) AS promise
) AS message
"""
_SECONDARY_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " AND tablename = 'messages' AND indexname <> 'messages_pkey'"
)

_UNUSED_INDEXES = (
    "messages_conversation_id_idx",
    "messages_role_idx",
    "messages_timestamp_idx",
    "messages_conversation_timestamp_idx",
    "messages_conversation_role_idx",
    "messages_audio_processing_idx",
    "messages_audio_retention_idx",
    "messages_pronunciation_idx",
    "messages_audio_cleanup_idx",
    "audio_ops_messages_waiting_idx",
)


def make_table(server: PostgresServer, rows: int) -> str:
    """Create a database with so many messages; return its URL."""
    fill = (_PEOPLE.format(rows=rows), _MESSAGES.format(rows=rows))
    return make_database(server, f"messages_{rows}", *fill)


def make_database(server: PostgresServer, name: str, *fill: str) -> str:
    """Create a migrated database, filled by these statements; return its URL."""
    autocommit(server.url(), f"CREATE DATABASE {name}")
    url = server.url(name)
    run.upgrade(url)
    fill_tables(url, *fill)
    return url


def fill_tables(url: str, *fill: str) -> None:
    """Run statements that fill tables; the indexes of `messages` are built after them."""
    engine = connect(url)
    with engine.connect() as connection:
        indexes = list(connection.execute(sa.text(_SECONDARY_INDEXES)))
    engine.dispose()
    # Indexes are built faster over all rows at once than row by row.
    autocommit(url, *(f"DROP INDEX {index}" for index, _ in indexes))
    autocommit(url, *fill)
    autocommit(url, "SET maintenance_work_mem = '512MB'", *(sql for _, sql in indexes))
    autocommit(url, "VACUUM ANALYZE")


def drop_unused_indexes(url: str) -> None:
    """Drop the indexes of `messages` that a sweep does not read."""
    autocommit(url, *(f"DROP INDEX {index}" for index in _UNUSED_INDEXES))


def autocommit(url: str, *statements: str) -> None:
    """Run statements, each in its own transaction."""
    engine = connect(url, statement_timeout=timedelta(0))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
