"""The app's database in the states in which it is met, with what people left in it."""

from contextlib import contextmanager

import psycopg

from local import app_database
from migrations import run

TABLES = run.APP_TABLES.read_text(encoding="utf-8")

MIGRATION_0023 = app_database.MIGRATION_0023.read_text(encoding="utf-8")
# Of its later migrations, those that touch what hangs on a conversation.
MIGRATION_0036 = """
CREATE TABLE week_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
    week_progress_id uuid NOT NULL,
    conversation_id text NOT NULL,
    session_type_id text NOT NULL,
    conversation_seed_id text,
    started_at timestamp NOT NULL,
    completed_at timestamp,
    duration_seconds integer,
    exchange_count integer DEFAULT 0 NOT NULL,
    comfort_rating integer,
    mood text,
    user_reflection text,
    created_at timestamp DEFAULT now() NOT NULL
);
ALTER TABLE week_sessions ADD CONSTRAINT week_sessions_conversation_id_conversations_id_fk
    FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE;
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations
    (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('0a4a1906', 1760396389000)
"""
# As in production for a while: renamed, but still text, because its casts failed.
HALF = (TABLES, MIGRATION_0023)
ALL_MIGRATIONS = (*HALF, MIGRATION_0036)

PEOPLE = """
INSERT INTO users (id, email) VALUES
    ('00000000-0000-0000-0000-000000000001', 'hana@example.org'),
    ('00000000-0000-0000-0000-000000000002', 'ken@example.org');
INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)
SELECT id, 'sub_' || email, 'price', 'plus' FROM users;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT 'c1', id, 'en' FROM users ORDER BY id LIMIT 1;
INSERT INTO conversations (id, guest_id, target_language_id) VALUES ('c2', 'anonymous', 'ja')
"""
# Duration and score as raw text, and the numbers that are meant.
TEXTS = {
    "whole": ("5000", "85", 5000, 85),
    "seconds": ("5.2s", "85%", 5200, 85),
    "milliseconds": ("5200ms", "85/100", 5200, 85),
    "clock": ("1:05", "0.85", 65_000, 85),
    "comma": ("5,2 s", "0,85", 5200, 85),
    "bare": ("5.2", "5.2", None, None),
    "below": ("-1", "-1", None, None),
    "above": ("99999999999", "101", None, None),
    "padded": (" 0700", "007", 700, 7),
    "nothing": ("", "n/a", None, None),
    "null": (None, None, None, None),
}


def make(url, *statements):
    """Run statements, each as a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def add_texts(url, duration="audio_duration_ms"):
    """Add people, and a message for each of `TEXTS`."""
    make(url, PEOPLE)
    with psycopg.connect(url, autocommit=True) as connection:
        for message_id, (raw_duration, raw_score, *_) in TEXTS.items():
            connection.execute(
                f"INSERT INTO messages (id, conversation_id, role, content, {duration},"
                " pronunciation_score) VALUES (%s, 'c1', 'user', 'Hello', %s, %s)",
                [message_id, raw_duration, raw_score],
            )


def numbers(url):
    """Return duration and score of each message of `TEXTS`, as they are now."""
    query = "SELECT id, audio_duration_ms, pronunciation_score FROM messages"
    with psycopg.connect(url) as connection:
        return {row[0]: row[1:] for row in connection.execute(query)}


READ = {message_id: texts[2:] for message_id, texts in TEXTS.items()}
RAW = {message_id: texts[:2] for message_id, texts in TEXTS.items()}

_CATALOGUE = """
SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
    pg_get_expr(d.adbin, d.adrelid), CAST(a.attnotnull AS text)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped
UNION ALL
SELECT c.relname || ' ' || k.conname, pg_get_constraintdef(k.oid), '', ''
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'f')
UNION ALL
SELECT indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT tgname, pg_get_triggerdef(oid), '', '' FROM pg_trigger WHERE NOT tgisinternal
    AND tgrelid = ANY(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
UNION ALL
SELECT t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder), '', ''
FROM pg_type AS t JOIN pg_enum AS e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname
ORDER BY 1, 2
"""


def catalogue(url):
    """Return all that the schema `public` has, but no rows; columns in any order."""
    with psycopg.connect(url) as connection:
        return connection.execute(_CATALOGUE).fetchall()


def contents(url):
    """Return all rows of the schema `public`, as JSON documents, sorted."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind = 'r' ORDER BY 1"
        ).fetchall()
        return {
            table: connection.execute(
                f"SELECT CAST(to_jsonb(t) AS text) FROM public.{table} AS t ORDER BY 1"
            ).fetchall()
            for (table,) in tables
        }


# Statements with which a transaction of the app locks `messages`.
HOLDERS = {
    "a reader": "SELECT count(*) FROM messages",
    "a writer": "UPDATE messages SET content = content WHERE id = 'whole'",
    "a flow": "SELECT id FROM messages FOR UPDATE SKIP LOCKED",
}


@contextmanager
def transaction(url, *statements, isolation="READ COMMITTED"):
    """An open transaction of the app; yields its process id."""
    with psycopg.connect(url, application_name="the app", autocommit=True) as connection:
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        for statement in statements:
            connection.execute(statement)
        yield connection.info.backend_pid
