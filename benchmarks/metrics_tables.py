"""Generate realistic messages for the cost measurement, in a table of any size.

They are from the last 160 days, twenty per conversation, fifty conversations at a time, in five
languages and three formats, by guests and learners of every tier; every twentieth is the system's,
one in ten is only text. Nine learners in ten began with a free subscription, and most of them took
one or two paid ones later. Due recordings, over a third, are deleted and in the ledger. The last
month's recordings are analysed; one analysis in fifty failed.
"""

from benchmarks.sweep_tables import make_database
from local.postgres import PostgresServer

_PEOPLE = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, n || '@example.org' FROM generate_series(0, {rows} / 200) AS n;
INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier,
    created_at, updated_at)
SELECT md5('u' || n)::uuid, said.id, said.tier, said.tier::subscription_tier, since, since
FROM generate_series(0, {rows} / 200) AS n, LATERAL (VALUES
    (mod(n, 10) > 0, 'free_' || md5('u' || n)::uuid, 'free', 300),
    (mod(n, 10) > 1, 'sub_plus_' || n, 'plus', 250),
    (mod(n, 10) > 4, 'sub_premium_' || n, 'premium', 200)
) AS said (there, id, tier, days_ago),
LATERAL (SELECT now() AT TIME ZONE 'UTC' - days_ago * interval '1 day' AS since) AS begun
WHERE there;
INSERT INTO conversations (id, user_id, guest_id, target_language_id)
SELECT md5('c' || n)::uuid, CASE WHEN mod(n, 10) > 0 THEN md5('u' || n / 10)::uuid END,
    CASE WHEN mod(n, 10) = 0 THEN 'browser-' || n END,
    (ARRAY['en', 'ja', 'es', 'fr', 'de'])[1 + mod(n, 5)]
FROM generate_series(0, {rows} / 20) AS n
"""
_MESSAGES = """
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_url,
    audio_url_expires_at, audio_storage_key, audio_duration_ms, audio_size_bytes, audio_format,
    audio_processing_state, audio_retention_expires_at, audio_deleted_at, pronunciation_score,
    fluency_score, speech_rate_wpm)
SELECT id, conversation_id, role, 'Could you say that once more, please?', said_at,
    CASE WHEN recorded AND deleted_at IS NULL
        THEN 'https://bucket.example.org/audio/' || owner || repeat('x', 430) END,
    CASE WHEN recorded AND deleted_at IS NULL THEN this_moment + interval '5 days' END,
    CASE WHEN recorded THEN
        'audio/' || owner || '/' || conversation_id || '/' || id || '_1700000000000.wav' END,
    CASE WHEN recorded THEN 2000 + mod(n, 7001) END,
    CASE WHEN recorded THEN 48 * (2000 + mod(n, 7001)) END,
    CASE WHEN recorded THEN (ARRAY['pcm16', 'pcm16', 'wav', 'mp3'])[1 + mod(n / 1000, 4)] END,
    CASE WHEN NOT recorded THEN 'pending' WHEN mod(n, 50) = 1 THEN 'failed' ELSE 'analyzed' END,
    CASE WHEN recorded THEN expires_at END, CASE WHEN recorded THEN deleted_at END, 80, 70, 110
FROM (
    SELECT n, md5('m' || n)::uuid AS id, md5('c' || conversation)::uuid AS conversation_id,
        COALESCE(md5('u' || learner)::uuid::text, 'guest') AS owner, role,
        mod(n / 50, 10) <> 7 AS recorded, this_moment, said_at, said_at + kept AS expires_at,
        CASE WHEN said_at + kept + interval '7 days' < this_moment
            THEN said_at + kept + interval '7 days' END AS deleted_at
    FROM (
        SELECT n, n / 1000 * 50 + mod(n, 50) AS conversation,
            CASE WHEN mod(n / 50, 20) = 3 THEN 'system' ELSE 'user' END AS role,
            now() AT TIME ZONE 'UTC' AS this_moment,
            now() AT TIME ZONE 'UTC' - ({rows} - n) * interval '160 days' / {rows} AS said_at
        FROM generate_series(0, {rows} - 1) AS n
    ) AS said,
    LATERAL (
        SELECT CASE WHEN mod(conversation, 10) > 0 THEN conversation / 10 END AS learner
    ) AS speaker,
    LATERAL (
        SELECT interval '1 day' * CASE WHEN role = 'system' THEN 7 WHEN learner IS NULL THEN 1
            WHEN mod(learner, 10) < 2 THEN 30 WHEN mod(learner, 10) < 5 THEN 90 ELSE 365 END AS kept
    ) AS promise
) AS message
"""
_DELETIONS = """
INSERT INTO audio_ops.deletion_ledger (message_id, key_sha256, reason, tier, size_bytes,
    retention_expires_at, state, intended_at, finished_at, position, hash)
SELECT id, sha256(convert_to(audio_storage_key, 'UTF8')), 'retention', 'plus', audio_size_bytes,
    audio_retention_expires_at AT TIME ZONE 'UTC', 'deleted', audio_deleted_at AT TIME ZONE 'UTC',
    audio_deleted_at AT TIME ZONE 'UTC', row_number() OVER (ORDER BY audio_deleted_at),
    sha256(convert_to(id, 'UTF8'))
FROM messages WHERE audio_deleted_at IS NOT NULL
"""
_ANALYSES = """
INSERT INTO message_audio_analysis (message_id, analyzed_at, analysis_duration_ms,
    overall_accuracy_score, overall_fluency_score, analysis_error, raw_features)
SELECT id, timestamp + interval '10 minutes', 400, 80, 70,
    CASE WHEN audio_processing_state = 'failed' THEN 'There is no speech in the recording.' END,
    CASE WHEN audio_processing_state = 'failed' THEN '{{"failure_cause": "no_speech"}}'::jsonb
        ELSE jsonb_build_object('pauses', 3, 'mismatch', -2.5) END
FROM messages
WHERE audio_storage_key IS NOT NULL AND timestamp > now() AT TIME ZONE 'UTC' - interval '32 days'
"""


def make_table(server: PostgresServer, rows: int) -> str:
    """Create a database with so many messages; return its URL."""
    fill = (_PEOPLE, _MESSAGES, _DELETIONS, _ANALYSES)
    return make_database(
        server, f"metrics_{rows}", *(statement.format(rows=rows) for statement in fill)
    )
