"""Generate the app's database as its migration 0023 leaves it, with any number of messages.

Duration and score are text; there are all of the app's indexes and none of ours. Conversations have
twenty messages, by learner and tutor in turn, with ids of the app's form, in five languages, all
translated, a third romanized. One in fifty has raw texts to convert, one in three of the learner's
a recording, one in ten an analysis.
"""

from pathlib import Path

from benchmarks.sweep_tables import autocommit, fill_tables
from local.postgres import PostgresServer
from migrations import run
from migrations.adoption.documented import ANALYSIS, COLUMNS, CONSTRAINTS, INDEXES

_APP_TABLES = Path(run.__file__).parent / "adoption" / "app_tables.sql"
_RENAME = "ALTER TABLE messages RENAME COLUMN audio_duration TO audio_duration_ms"
_FILL = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, n || '@example.org' FROM generate_series(0, {rows} / 200) AS n;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT md5('c' || n)::uuid, md5('u' || n / 10)::uuid, 'ja'
FROM generate_series(0, {rows} / 20) AS n;
INSERT INTO messages (id, conversation_id, role, content, timestamp, translated_content,
    source_language, target_language, user_native_language, romanization, hiragana, is_translated,
    sequence_id, audio_duration_ms, pronunciation_score, audio_storage_key, audio_size_bytes,
    audio_format, audio_processing_state, audio_retention_expires_at)
SELECT id, conversation, CASE WHEN mod(n, 2) = 0 THEN 'user' ELSE 'assistant' END,
    'Could you say that once more, please? I said number ' || n, said_at,
    'Könnten Sie das bitte noch einmal sagen? Ich sagte Nummer ' || n,
    CASE WHEN mod(n, 3) = 0 THEN language END, CASE WHEN mod(n, 3) = 0 THEN 'en' END,
    CASE WHEN mod(n, 2) = 0 THEN 'en' END,
    CASE WHEN mod(n, 3) = 0 THEN 'mō ichido itte kudasai, ban ' || n END,
    CASE WHEN mod(n, 3) = 0 THEN 'もういちどいってください、ばん ' || n END, true, n::text,
    CASE WHEN mod(n, 50) = 0 THEN (ARRAY['5.2s', '5200', '1:05', 'n/a'])[1 + mod(n / 50, 4)] END,
    CASE WHEN mod(n, 50) = 0 THEN (ARRAY['85', '85/100', '0.85', ''])[1 + mod(n / 50, 4)] END,
    CASE WHEN mod(n, 6) = 0 THEN 'audio/u/' || conversation || '/' || id || '.wav' END,
    CASE WHEN mod(n, 6) = 0 THEN 240000 END, CASE WHEN mod(n, 6) = 0 THEN 'pcm16' END,
    CASE WHEN mod(n, 6) = 0 THEN 'uploaded' ELSE 'pending' END,
    CASE WHEN mod(n, 6) = 0 THEN said_at + interval '90 days' END
FROM (
    SELECT n, md5('c' || n / 20)::uuid AS conversation,
        'msg_' || 1700000000000 + n::bigint * 7000 || '_' || left(md5(n::text), 7) AS id,
        timestamp '2025-01-01' + n * interval '7 seconds' AS said_at,
        (ARRAY['ja', 'es', 'fr', 'de', 'ko'])[1 + mod(n / 20, 5)] AS language
    FROM generate_series(0, {rows} - 1) AS n
) AS message;
INSERT INTO message_audio_analysis (message_id, overall_accuracy_score, overall_fluency_score,
    raw_features)
SELECT id, 80, 70, '{{"pauses": 3}}' FROM messages WHERE mod(sequence_id::bigint, 10) = 0
"""


def make_app(server: PostgresServer, rows: int, name: str) -> None:
    """Create a database with so many messages."""
    autocommit(server.url(), f"CREATE DATABASE {name}")
    url = server.url(name)
    autocommit(url, _APP_TABLES.read_text(encoding="utf-8"), *_migration_0023())
    fill_tables(url, _FILL.format(rows=rows))


def _migration_0023() -> list[str]:
    added = ", ".join(
        f"ADD COLUMN IF NOT EXISTS {column.declaration}" for column in COLUMNS["messages"].values()
    )
    analysis = [column.declaration for column in COLUMNS[ANALYSIS].values()]
    keys = [f"CONSTRAINT {name} {key.declaration}" for name, key in CONSTRAINTS.items()]
    indexes = [
        f"CREATE INDEX IF NOT EXISTS {index.declaration}"
        for name, index in INDEXES.items()
        if not name.startswith("audio_ops_")
    ]
    return [
        _RENAME,
        f"ALTER TABLE messages {added}",
        f"CREATE TABLE {ANALYSIS} ({', '.join(analysis + keys)})",
        *indexes,
    ]
