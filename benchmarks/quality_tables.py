"""Generate messages with analyses as the engine writes them, with a known number of defects."""

import json
from datetime import timedelta

import sqlalchemy as sa

from local.postgres import PostgresServer
from migrations import run
from stores.database import connect

ADDRESS = "https://fly.storage.tigris.dev/kaiwa-audio/"
DURATION_MS = 5000
VARIANTS = 100  # different texts with their documents, each copied into many messages
WRONG_EACH = 10_000  # one message in so many breaks each of the rules below

_WORDS = (
    *("could", "you", "say", "that", "once", "more", "please", "because"),
    *("the", "tutor", "was", "speaking", "rather", "quickly"),
)
_PHONES = ("k", "ʊ", "d", "j", "s", "ð", "æ", "t", "w", "ʌ", "n", "m", "ɔ")

_PEOPLE = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, n || '@example.org' FROM generate_series(0, {rows} / 200) AS n;
INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)
SELECT md5('u' || n)::uuid, 'sub_' || n, 'price',
    (CASE WHEN mod(n, 10) = 0 THEN 'premium' ELSE 'plus' END)::subscription_tier
FROM generate_series(0, {rows} / 200) AS n WHERE mod(n, 10) < 3;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT md5('c' || n)::uuid, md5('u' || n / 10)::uuid, 'en'
FROM generate_series(0, {rows} / 20) AS n;
CREATE TABLE variant (id integer PRIMARY KEY, content text, speech_timings jsonb,
    phoneme_analysis jsonb, problematic_words jsonb, recommendations jsonb, practice_words jsonb)
"""
_VARIANT = """
INSERT INTO variant VALUES (:id, :content, :speech_timings, :phoneme_analysis, :problematic_words,
    '["Say *could* more slowly."]', '["could"]')
"""
# Rules broken by message: the key is its position in each ten thousand.
WRONG = {
    1: ("pronunciation_score_range", "quick_scores"),
    2: ("audio_format",),
    3: ("url_is_ours",),
    4: ("url_expiry",),
    5: ("pcm_size",),
    6: ("retention_period",),
    7: ("confidence_range",),
    8: ("longest_pause", "average_pause"),
    9: ("timings_in_audio",),
    10: ("analysis_rates_range", "quick_scores"),
}
_MESSAGES = """
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_url,
    audio_url_expires_at, audio_storage_key, audio_duration_ms, audio_size_bytes, audio_format,
    audio_processing_state, audio_retention_expires_at, pronunciation_score, fluency_score,
    speech_rate_wpm)
SELECT said.id, conversation_id, 'user', v.content, said_at,
    '{address}' || CASE WHEN wrong = 3 THEN 'audio/other.wav' ELSE key END
    || '?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=tid_benchmark_of_usual_length'
    || '%%2F20251013%%2Fauto%%2Fs3%%2Faws4_request&X-Amz-Date=20251013T000000Z'
    || '&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature='
    || md5(n::text) || md5(n::text),
    timestamp '2025-10-20' + CASE WHEN wrong = 4 THEN interval '1 hour' ELSE interval '0' END,
    key, {duration_ms}, CASE WHEN wrong = 5 THEN 120000 ELSE 240000 END,
    CASE WHEN wrong = 2 THEN 'tape' ELSE 'pcm16' END, 'analyzed',
    said_at + CASE WHEN wrong = 6 THEN interval '2 days' ELSE interval '365 days' END,
    CASE WHEN wrong = 1 THEN 101 ELSE 80 END, 70, 110
FROM (
    SELECT n, mod(n, {each}) AS wrong, md5('m' || n)::uuid::text AS id,
        md5('c' || n / 20)::uuid::text AS conversation_id,
        timestamp '2025-01-01' + n * interval '20 seconds' AS said_at,
        'audio/' || md5('u' || n / 200)::uuid || '/' || md5('c' || n / 20)::uuid || '/'
            || md5('m' || n)::uuid || '_1700000000000.wav' AS key
    FROM generate_series(0, {rows} - 1) AS n
) AS said JOIN variant AS v ON v.id = mod(n, {variants})
ORDER BY n
"""
_ANALYSES = """
INSERT INTO message_audio_analysis (message_id, analyzed_at, analysis_version,
    overall_accuracy_score, overall_fluency_score, speech_rate_wpm, articulation_rate_wpm,
    total_speech_duration_ms, total_pause_duration_ms, pause_count, hesitation_count,
    average_pause_duration_ms, longest_pause_duration_ms, analysis_engine, analysis_language,
    analysis_duration_ms, speech_timings, phoneme_analysis, problematic_words, recommendations,
    practice_words)
SELECT md5('m' || n)::uuid::text, timestamp '2025-10-13', '1.0', 80, 70,
    CASE WHEN wrong = 10 THEN -1 ELSE 110 END, 140, 4000, 1000, 2, 0,
    CASE WHEN wrong = 8 THEN 700 ELSE 500 END, CASE WHEN wrong = 8 THEN 1400 ELSE 600 END,
    'pocketsphinx', 'en', 130,
    CASE wrong WHEN 7 THEN jsonb_set(v.speech_timings, '{{3,confidence}}', '1.5')
        WHEN 9 THEN jsonb_set(v.speech_timings, '{{-1,endMs}}', '9000')
        ELSE v.speech_timings END,
    v.phoneme_analysis, v.problematic_words, v.recommendations, v.practice_words
FROM (SELECT n, mod(n, {each}) AS wrong FROM generate_series(0, {rows} - 1) AS n) AS said
JOIN variant AS v ON v.id = mod(n, {variants})
ORDER BY n
"""
_SECONDARY_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " AND tablename IN ('messages', 'message_audio_analysis') AND indexdef NOT LIKE '%UNIQUE%'"
)


def make_database(server: PostgresServer, messages: int) -> str:
    """Make a database with so many messages; return its URL."""
    url = server.url()
    run.upgrade(url)
    engine = connect(url, statement_timeout=timedelta(0))
    with engine.begin() as connection:
        indexes = connection.execute(sa.text(_SECONDARY_INDEXES)).all()
        # Indexes are built faster over all rows at once than row by row.
        for name, _ in indexes:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql(_PEOPLE.format(rows=messages))
        connection.execute(sa.text(_VARIANT), [_variant(number) for number in range(VARIANTS)])
        for fill in (_MESSAGES, _ANALYSES):
            connection.exec_driver_sql(
                fill.format(
                    rows=messages,
                    each=WRONG_EACH,
                    variants=VARIANTS,
                    address=ADDRESS,
                    duration_ms=DURATION_MS,
                )
            )
        for _, definition in indexes:
            connection.exec_driver_sql(definition)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()
    return url


def _variant(number: int) -> dict[str, object]:
    """Return a text of 8 to 12 words with its documents."""
    words = [_WORDS[(number + place) % len(_WORDS)] for place in range(8 + number % 5)]
    step_ms = DURATION_MS // len(words)
    timings, phonemes, offset = [], [], 0
    for place, word in enumerate(words):
        start_ms = place * step_ms
        timings.append(
            {
                "word": word,
                "startMs": start_ms,
                "endMs": start_ms + step_ms - 40,
                "charStart": offset,
                "charEnd": offset + len(word),
                "confidence": 0.9,
            }
        )
        phonemes += [
            {
                "phoneme": _PHONES[(place + phone) % len(_PHONES)],
                "word": word,
                "accuracyScore": 60 + (number + place + phone) % 40,
                "startMs": start_ms + phone * 50,
                "endMs": start_ms + phone * 50 + 50,
                "expectedPhoneme": _PHONES[(place + phone) % len(_PHONES)],
            }
            for phone in range(3)
        ]
        offset += len(word) + 1
    problem = {"word": words[0], "issue": "hard to tell", "severity": "low"}
    problematic = [problem | {"startMs": 0, "endMs": step_ms - 40}]
    return {
        "id": number,
        "content": " ".join(words),
        "speech_timings": json.dumps(timings),
        "phoneme_analysis": json.dumps(phonemes),
        "problematic_words": json.dumps(problematic),
    }
