"""States of the app's database, each with the statements that create it in an empty one."""

from tests.support.app_database import ALL_MIGRATIONS, HALF, MIGRATION_0023, PEOPLE, TABLES

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
