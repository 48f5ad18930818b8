"""Do what is missing of the app's migration 0023: audio columns, analysis table, 11 indexes.

It looks at the real columns, never at a migration's name: in production 0023 renamed
`audio_duration` without casting it and swallowed the failing cast of `pronunciation_score`, so both
may still be text. Text that is not a whole number is kept in `audio_ops.parked_text`, the old
`speech_timings` in `audio_ops.parked_speech_timings`. What was done is noted in
`audio_ops.audio_columns_step`, because a downgrade must undo this migration and not the app's.

Locks: `messages` against everything while it changes columns. Adding and renaming take moments;
casting a text column rewrites the table (about a minute for 10 million rows). The indexes are built
while the app goes on.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations import parking
from migrations.indexes import create_concurrently

revision = "0002"
down_revision = "0001"

UTC = "timestamp"
ADDED = {
    "audio_url_expires_at": UTC,
    "audio_storage_key": "text",
    "audio_duration_ms": "integer",
    "audio_size_bytes": "integer",
    "audio_format": "text",
    "audio_sample_rate": "integer DEFAULT 24000",
    "audio_channels": "integer DEFAULT 1",
    "audio_processing_state": "text DEFAULT 'pending'",
    "audio_processing_error": "text",
    "audio_retention_expires_at": UTC,
    "audio_deleted_at": UTC,
    "pronunciation_score": "integer",
    "fluency_score": "integer",
    "speech_rate_wpm": "integer",
}
RETYPED = ("audio_duration_ms", "pronunciation_score")
MESSAGES_INDEXES = {
    "messages_audio_storage_idx": ["audio_storage_key"],
    "messages_audio_processing_idx": ["audio_processing_state"],
    "messages_audio_retention_idx": ["audio_retention_expires_at"],
    "messages_pronunciation_idx": ["pronunciation_score", "fluency_score"],
    "messages_audio_cleanup_idx": ["audio_retention_expires_at", "audio_deleted_at"],
}
ANALYSIS_INDEXES = {
    "message_audio_analysis_message_id_idx": ["message_id"],
    "message_audio_analysis_analyzed_at_idx": ["analyzed_at"],
    "message_audio_analysis_accuracy_idx": ["overall_accuracy_score"],
    "message_audio_analysis_fluency_idx": ["overall_fluency_score"],
    "message_audio_analysis_engine_idx": ["analysis_engine", "analysis_version"],
    "message_audio_analysis_language_idx": ["analysis_language"],
}


def upgrade() -> None:
    """Do what is missing, step by step; started again after a break, it goes on."""
    op.execute("CREATE TABLE IF NOT EXISTS audio_ops.audio_columns_step (step text PRIMARY KEY)")
    columns = _columns()
    if "audio_duration" in columns and "audio_duration_ms" not in columns:
        op.alter_column("messages", "audio_duration", new_column_name="audio_duration_ms")
        _note("renamed")
    missing = [name for name in ADDED if name not in _columns()]
    if missing:
        added = ", ".join(f"ADD COLUMN {name} {ADDED[name]}" for name in missing)
        op.execute(f"ALTER TABLE messages {added}")
        _note(*(f"added {name}" for name in missing))
        parking.restore_columns(missing)
    _cast_text_to_integer()
    if "speech_timings" in _columns():
        _park_speech_timings()
    if not parking.has_table("message_audio_analysis"):
        if not parking.restore_table("message_audio_analysis", schema="public"):
            _create_analysis()
        _note("created message_audio_analysis")
    _create_indexes("messages", MESSAGES_INDEXES)
    _create_indexes("message_audio_analysis", ANALYSIS_INDEXES)


def downgrade() -> None:
    """Undo what `upgrade` did, and only that; what it would destroy is parked."""
    steps = set(op.get_bind().scalars(sa.text("SELECT step FROM audio_ops.audio_columns_step")))
    for name in (*MESSAGES_INDEXES, *ANALYSIS_INDEXES):
        if f"indexed {name}" in steps:
            op.drop_index(name, if_exists=True)
    if "created message_audio_analysis" in steps:
        parking.park_table("message_audio_analysis", schema="public")
    if "dropped speech_timings" in steps:
        _bring_back_speech_timings()
    _cast_integer_to_text([name for name in RETYPED if f"cast {name}" in steps])
    if added := [name for name in ADDED if f"added {name}" in steps]:
        parking.park_columns(added)
    if "renamed" in steps:
        op.alter_column("messages", "audio_duration_ms", new_column_name="audio_duration")
    op.execute("DROP TABLE audio_ops.audio_columns_step")


def _columns() -> dict[str, str]:
    """Return the columns of `messages` now, and their types."""
    columns = sa.inspect(op.get_bind()).get_columns("messages")
    return {column["name"]: str(column["type"]) for column in columns}


def _note(*steps: str) -> None:
    op.get_bind().execute(
        sa.text("INSERT INTO audio_ops.audio_columns_step VALUES (:step) ON CONFLICT DO NOTHING"),
        [{"step": step} for step in steps],
    )


def _number(text: str) -> str:
    """Return SQL that reads `text` as an integer, rounded; NULL if it is no number, or too big."""
    return (
        f"CASE WHEN {text} ~ '^\\s*[+-]?[0-9]{{1,9}}(\\.[0-9]+)?\\s*$'"
        f" THEN round(CAST({text} AS numeric))::integer END"
    )


def _cast_text_to_integer() -> None:
    columns = _columns()
    retyped = [name for name in RETYPED if columns[name] != "INTEGER"]
    if not retyped:
        return
    op.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")  # no text may come in between
    op.execute("""
        CREATE TABLE IF NOT EXISTS audio_ops.parked_text (
            message_id text NOT NULL REFERENCES messages ON DELETE CASCADE,
            column_name text NOT NULL,
            value text NOT NULL,
            PRIMARY KEY (message_id, column_name)
        )
    """)
    for name in retyped:
        op.execute(f"""
            INSERT INTO audio_ops.parked_text
            SELECT id, '{name}', {name} FROM messages
            WHERE {name} IS DISTINCT FROM ({_number(name)})::text AND {name} IS NOT NULL
            ON CONFLICT (message_id, column_name) DO UPDATE SET value = excluded.value
        """)  # noqa: S608 - names of our own columns
    casts = (f"ALTER COLUMN {name} TYPE integer USING {_number(name)}" for name in retyped)
    op.execute(f"ALTER TABLE messages {', '.join(casts)}")  # one rewrite for both
    _note(*(f"cast {name}" for name in retyped))


def _cast_integer_to_text(retyped: list[str]) -> None:
    if not retyped:
        return
    casts = (f"ALTER COLUMN {name} TYPE text USING {name}::text" for name in retyped)
    op.execute(f"ALTER TABLE messages {', '.join(casts)}")
    for name in retyped:
        # Only where the number is still the one that this text was read as.
        op.execute(f"""
            UPDATE messages SET {name} = parked.value FROM audio_ops.parked_text AS parked
            WHERE parked.message_id = messages.id AND parked.column_name = '{name}'
              AND messages.{name} IS NOT DISTINCT FROM ({_number("parked.value")})::text
        """)  # noqa: S608 - names of our own columns
    op.execute("DROP TABLE audio_ops.parked_text")


def _park_speech_timings() -> None:
    op.execute("""
        CREATE TABLE audio_ops.parked_speech_timings AS
        SELECT id AS message_id, speech_timings FROM messages WHERE speech_timings IS NOT NULL
    """)
    op.execute("""
        ALTER TABLE audio_ops.parked_speech_timings ADD PRIMARY KEY (message_id),
        ADD FOREIGN KEY (message_id) REFERENCES messages ON DELETE CASCADE
    """)
    op.drop_column("messages", "speech_timings")
    _note("dropped speech_timings")


def _bring_back_speech_timings() -> None:
    op.add_column("messages", sa.Column("speech_timings", JSONB))
    op.execute("""
        UPDATE messages SET speech_timings = parked.speech_timings
        FROM audio_ops.parked_speech_timings AS parked WHERE parked.message_id = messages.id
    """)
    op.drop_table("parked_speech_timings", schema="audio_ops")


def _create_indexes(table: str, indexes: dict[str, list[str]]) -> None:
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
    for name, columns in indexes.items():
        if name not in existing:
            _note(f"indexed {name}")
        create_concurrently(name, table, columns)


def _create_analysis() -> None:
    op.execute("""
        CREATE TABLE message_audio_analysis (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            message_id text NOT NULL,
            analyzed_at timestamp DEFAULT now() NOT NULL,
            analysis_version text DEFAULT '1.0' NOT NULL,
            overall_accuracy_score integer,
            overall_fluency_score integer,
            speech_rate_wpm integer,
            articulation_rate_wpm integer,
            total_speech_duration_ms integer,
            total_pause_duration_ms integer,
            pause_count integer,
            hesitation_count integer,
            average_pause_duration_ms integer,
            longest_pause_duration_ms integer,
            speech_timings jsonb,
            phoneme_analysis jsonb,
            problematic_words jsonb,
            recommendations jsonb,
            practice_words jsonb,
            raw_alignment jsonb,
            raw_features jsonb,
            analysis_engine text DEFAULT 'echogarden',
            analysis_model_version text,
            analysis_language text,
            analysis_duration_ms integer,
            analysis_error text,
            analysis_warnings jsonb,
            CONSTRAINT message_audio_analysis_pkey PRIMARY KEY (id),
            CONSTRAINT message_audio_analysis_message_id_unique UNIQUE (message_id),
            CONSTRAINT message_audio_analysis_message_id_messages_id_fk
                FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
        )
    """)
