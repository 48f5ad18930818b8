"""The app's database in the states in which it is met, with what people left in it."""

from pathlib import Path

import psycopg

from migrations import run

TABLES = (Path(run.__file__).parent / "adoption" / "app_tables.sql").read_text(encoding="utf-8")

# What the app's migration 0023 does where it runs after all before it: it renames without a cast,
# its cast of `pronunciation_score` fails, and the failure is swallowed.
MIGRATION_0023 = """
CREATE TABLE IF NOT EXISTS message_audio_analysis (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
    message_id text NOT NULL,
    analyzed_at timestamp DEFAULT now() NOT NULL,
    analysis_version text DEFAULT '1.0' NOT NULL,
    overall_accuracy_score integer, overall_fluency_score integer, speech_rate_wpm integer,
    articulation_rate_wpm integer, total_speech_duration_ms integer,
    total_pause_duration_ms integer, pause_count integer, hesitation_count integer,
    average_pause_duration_ms integer, longest_pause_duration_ms integer, speech_timings jsonb,
    phoneme_analysis jsonb, problematic_words jsonb, recommendations jsonb, practice_words jsonb,
    raw_alignment jsonb, raw_features jsonb, analysis_engine text DEFAULT 'echogarden',
    analysis_model_version text, analysis_language text, analysis_duration_ms integer,
    analysis_error text, analysis_warnings jsonb,
    CONSTRAINT message_audio_analysis_message_id_unique UNIQUE (message_id)
);
DO $$ BEGIN
    ALTER TABLE messages RENAME COLUMN audio_duration TO audio_duration_ms;
EXCEPTION WHEN undefined_column THEN NULL; END $$;
DO $$ BEGIN
    ALTER TABLE messages ALTER COLUMN pronunciation_score SET DATA TYPE integer;
EXCEPTION WHEN OTHERS THEN NULL; END $$;
ALTER TABLE messages
    ADD COLUMN IF NOT EXISTS audio_url_expires_at timestamp,
    ADD COLUMN IF NOT EXISTS audio_storage_key text,
    ADD COLUMN IF NOT EXISTS audio_size_bytes integer,
    ADD COLUMN IF NOT EXISTS audio_format text,
    ADD COLUMN IF NOT EXISTS audio_sample_rate integer DEFAULT 24000,
    ADD COLUMN IF NOT EXISTS audio_channels integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS audio_processing_state text DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS audio_processing_error text,
    ADD COLUMN IF NOT EXISTS audio_retention_expires_at timestamp,
    ADD COLUMN IF NOT EXISTS audio_deleted_at timestamp,
    ADD COLUMN IF NOT EXISTS fluency_score integer,
    ADD COLUMN IF NOT EXISTS speech_rate_wpm integer;
DO $$ BEGIN
    ALTER TABLE message_audio_analysis ADD CONSTRAINT
        message_audio_analysis_message_id_messages_id_fk
        FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE INDEX IF NOT EXISTS message_audio_analysis_message_id_idx
    ON message_audio_analysis (message_id);
CREATE INDEX IF NOT EXISTS message_audio_analysis_analyzed_at_idx
    ON message_audio_analysis (analyzed_at);
CREATE INDEX IF NOT EXISTS message_audio_analysis_accuracy_idx
    ON message_audio_analysis (overall_accuracy_score);
CREATE INDEX IF NOT EXISTS message_audio_analysis_fluency_idx
    ON message_audio_analysis (overall_fluency_score);
CREATE INDEX IF NOT EXISTS message_audio_analysis_engine_idx
    ON message_audio_analysis (analysis_engine, analysis_version);
CREATE INDEX IF NOT EXISTS message_audio_analysis_language_idx
    ON message_audio_analysis (analysis_language);
CREATE INDEX IF NOT EXISTS messages_audio_storage_idx ON messages (audio_storage_key);
CREATE INDEX IF NOT EXISTS messages_audio_processing_idx ON messages (audio_processing_state);
CREATE INDEX IF NOT EXISTS messages_audio_retention_idx ON messages (audio_retention_expires_at);
CREATE INDEX IF NOT EXISTS messages_pronunciation_idx
    ON messages (pronunciation_score, fluency_score);
CREATE INDEX IF NOT EXISTS messages_audio_cleanup_idx
    ON messages (audio_retention_expires_at, audio_deleted_at);
ALTER TABLE messages DROP COLUMN IF EXISTS speech_timings
"""
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
ALL_MIGRATIONS = (TABLES, MIGRATION_0023, MIGRATION_0036)

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
