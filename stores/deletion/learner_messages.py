"""Find and erase what a learner's messages hold of recordings.

Rows are locked in id order, `messages` before all others, as in `stores.analysis.leases`. Tables
with data about single messages are found by their foreign keys (docs/adr/0012), so that tables
added later or parked by a downgrade are erased too.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, text

from schema.facts.deletion import LearnerRecording
from schema.tables.app import Message
from stores.readable import size_bytes

# While the erasure runs; a worker that still holds the message then finds its work ended.
ERASED = "Erased at the learner's request."

# A message has data of a recording if one of these columns is set. Sample rate and channels do not
# count: their defaults are set for text-only messages too.
_AUDIO = """audio_storage_key, audio_url, audio_url_expires_at, audio_duration_ms,
    audio_size_bytes, audio_format, audio_retention_expires_at, pronunciation_score, fluency_score,
    speech_rate_wpm"""
_HOLDS_AUDIO = f"num_nonnulls({_AUDIO}) > 0"

# Materialised, so that the planner does not scan all of `messages` in id order.
_THEIRS = f"""theirs AS MATERIALIZED (
    SELECT m.id, {_AUDIO} FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
    WHERE c.user_id = :user_id
)"""  # noqa: S608 - ours
_PAGE = text(f"""
WITH {_THEIRS}
SELECT id FROM theirs WHERE id > :after_id ORDER BY id LIMIT :limit
""")  # noqa: S608 - ours

_COUNT_MESSAGES = text(f"WITH {_THEIRS} SELECT count(*) FROM theirs WHERE {_HOLDS_AUDIO}")  # noqa: S608 - ours

_KEYS = text(f"""
WITH {_THEIRS}
SELECT DISTINCT audio_storage_key FROM theirs
WHERE audio_storage_key IS NOT NULL AND NOT starts_with(audio_storage_key, :folder)
""")  # noqa: S608 - ours

_MESSAGE_TABLES = text("""
SELECT t.relname, format('%I.%I', s.nspname, t.relname), quote_ident(a.attname)
FROM pg_constraint AS c
JOIN pg_class AS t ON t.oid = c.conrelid
JOIN pg_namespace AS s ON s.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f' AND c.confrelid = 'messages'::regclass
    AND (s.nspname = 'audio_ops' OR t.oid = 'message_audio_analysis'::regclass)
ORDER BY t.relname
""")

_LOCK = (
    sa.select(
        Message.id,
        Message.audio_storage_key,
        sa.literal_column(size_bytes("messages.audio_size_bytes"), sa.BigInteger),
        Message.audio_retention_expires_at,
    )
    .where(Message.id.in_(sa.bindparam("message_ids", expanding=True)))
    .order_by(Message.id)
    .with_for_update(key_share=True)
)
_SILENCE = text(f"""
UPDATE messages
SET audio_processing_state = 'failed', audio_processing_error = :error,
    audio_url = NULL, audio_url_expires_at = NULL,
    pronunciation_score = NULL, fluency_score = NULL, speech_rate_wpm = NULL
WHERE id = ANY(:message_ids) AND {_HOLDS_AUDIO}
""")  # noqa: S608 - ours
# Afterwards the message is like one that never had a recording: nothing failed.
_CONFIRM = text(f"""
UPDATE messages
SET audio_processing_state = 'pending', audio_processing_error = NULL,
    audio_deleted_at = CASE
        WHEN audio_storage_key IS NULL THEN audio_deleted_at
        ELSE coalesce(audio_deleted_at, statement_timestamp() AT TIME ZONE 'UTC')
    END,
    audio_storage_key = NULL, audio_url = NULL, audio_url_expires_at = NULL,
    audio_duration_ms = NULL, audio_size_bytes = NULL, audio_format = NULL,
    audio_sample_rate = NULL, audio_channels = NULL, audio_retention_expires_at = NULL
WHERE id = ANY(:message_ids)
    AND ({_HOLDS_AUDIO} OR audio_processing_state = 'failed' AND audio_processing_error = :error)
""")  # noqa: S608 - ours


def page(connection: Connection, user_id: UUID, *, after_id: str, limit: int) -> list[str]:
    """Return ids of the learner's messages after `after_id`, in order."""
    arguments = {"user_id": user_id, "after_id": after_id, "limit": limit}
    return list(connection.execute(_PAGE, arguments).scalars())


def count_messages(connection: Connection, user_id: UUID) -> int:
    """Count the learner's messages that have data of a recording."""
    return int(connection.execute(_COUNT_MESSAGES, {"user_id": user_id}).scalar_one())


def keys_outside(connection: Connection, user_id: UUID, *, folder: str) -> set[str]:
    """Return the keys of the learner's messages that do not begin with `folder`."""
    return set(connection.execute(_KEYS, {"user_id": user_id, "folder": folder}).scalars())


def count_rows(connection: Connection, user_id: UUID) -> Counter[str]:
    """Count the rows derived from the learner's messages, by table."""
    counts: Counter[str] = Counter()
    for name, table, column in connection.execute(_MESSAGE_TABLES):
        count = text(
            f"WITH {_THEIRS} SELECT count(*) FROM theirs"  # noqa: S608 - quoted by Postgres
            f" JOIN {table} AS t ON t.{column} = theirs.id"
        )
        counts[name] = connection.execute(count, {"user_id": user_id}).scalar_one()
    return counts


def recordings(connection: Connection, message_ids: Sequence[str]) -> list[LearnerRecording]:
    """Lock messages until the transaction ends; return their recordings."""
    rows = connection.execute(_LOCK, {"message_ids": list(message_ids)})
    return [LearnerRecording(*row) for row in rows]


def silence(connection: Connection, message_ids: Sequence[str]) -> Counter[str]:
    """Delete locked messages' URLs, scores, leases and all derived rows, and end their processing.

    Derived rows are analyses, history and control rows. A worker that is analysing one of the
    messages loses its lease. Messages without audio are left unchanged.

    Args:
        connection: In the transaction that locked them with `recordings`.
        message_ids: The messages.

    Returns:
        Rows deleted, by table.
    """
    connection.execute(_SILENCE, {"message_ids": list(message_ids), "error": ERASED})
    deleted: Counter[str] = Counter()
    for name, table, column in connection.execute(_MESSAGE_TABLES).all():
        delete = text(f"DELETE FROM {table} WHERE {column} = ANY(:message_ids)")  # noqa: S608 - quoted by Postgres
        deleted[name] = connection.execute(delete, {"message_ids": list(message_ids)}).rowcount
    return deleted


def confirm(connection: Connection, message_ids: Sequence[str]) -> int:
    """Clear the key, metadata and state of deleted recordings from locked messages.

    Returns:
        How many messages were changed; text-only messages are left unchanged.
    """
    arguments = {"message_ids": list(message_ids), "error": ERASED}
    return connection.execute(_CONFIRM, arguments).rowcount
