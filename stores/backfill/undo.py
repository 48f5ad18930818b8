"""Undo a backfill page by page, or delete its copies so that it can no longer be undone."""

from sqlalchemy import Connection, text

from schema.tables.analysis import MessageAudioAnalysis
from stores.analysis import analyses
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS
from stores.deletion import erasure

_BEGIN = text("""
UPDATE audio_ops.backfill
SET undone_at = coalesce(undone_at, statement_timestamp()), undo_reason = :reason,
    stopped_at = coalesce(stopped_at, statement_timestamp())
WHERE id = :backfill_id AND released_at IS NULL
""")
# The backfill's analysis is unchanged: neither the live pipeline nor another backfill has written
# since, and there is no newer recording.
_IS_UNCHANGED = """i.analyzed_at = a.analyzed_at AT TIME ZONE 'UTC'
        AND m.audio_storage_key IS NOT DISTINCT FROM i.storage_key
        AND CASE i.outcome
            WHEN 'analyzed' THEN m.audio_processing_state = 'analyzed'
                AND m.audio_processing_error IS NULL
            ELSE m.audio_processing_state = 'failed'
        END"""
_WRITTEN = """audio_ops.backfill_item AS i
JOIN audio_ops.backfill_previous AS p ON p.item_id = i.id
JOIN messages AS m ON m.id = i.message_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id"""
_COUNT = text(f"""
SELECT count(*) FILTER (WHERE {_IS_UNCHANGED}) AS unchanged, count(*) AS written
FROM {_WRITTEN}
WHERE i.backfill_id = :backfill_id
""")  # noqa: S608 - our own fragments
# Includes items that are being analysed: their worker will find that it has lost its lease.
_PAGE = text("""
SELECT i.id FROM audio_ops.backfill_item AS i
WHERE i.backfill_id = :backfill_id AND i.id > :after_id AND i.outcome IS DISTINCT FROM 'undone'
ORDER BY i.id LIMIT :limit
""")
_LOCK = text("""
SELECT i.id, m.id AS message_id
FROM messages AS m JOIN audio_ops.backfill_item AS i ON i.message_id = m.id
WHERE i.id = ANY(:item_ids) AND i.outcome IS DISTINCT FROM 'undone'
ORDER BY m.id
FOR NO KEY UPDATE OF m, i
""")
_UNCHANGED = text(f"""
SELECT i.message_id FROM {_WRITTEN}
WHERE i.id = ANY(:item_ids) AND {_IS_UNCHANGED}
ORDER BY i.message_id
""")  # noqa: S608 - our own fragments
_PREVIOUS = """audio_ops.backfill_item AS i
JOIN audio_ops.backfill_previous AS p ON p.item_id = i.id"""
_DELETE = text(f"""
DELETE FROM message_audio_analysis AS a USING {_PREVIOUS}
WHERE i.id = ANY(:item_ids) AND a.message_id = i.message_id
    AND a.message_id = ANY(:message_ids) AND jsonb_typeof(p.document -> 'analysis') = 'null'
""")  # noqa: S608 - our own fragments
# Column by column: columns that the app has added since keep their values.
_NAMES = [column.name for column in MessageAudioAnalysis.__table__.columns if column.name != "id"]
_RESTORE_ANALYSES = text(f"""
UPDATE message_audio_analysis AS a
SET {", ".join(f"{name} = before.{name}" for name in _NAMES)}
FROM {_PREVIOUS},
    jsonb_populate_record(
        CAST(NULL AS message_audio_analysis), p.document -> 'analysis'
    ) AS before
WHERE i.id = ANY(:item_ids) AND a.message_id = i.message_id
    AND a.message_id = ANY(:message_ids) AND jsonb_typeof(p.document -> 'analysis') = 'object'
""")  # noqa: S608 - our own fragments
_RESTORE_MESSAGES = text(f"""
UPDATE messages AS m
SET audio_processing_state = before.audio_processing_state,
    audio_processing_error = before.audio_processing_error,
    pronunciation_score = before.pronunciation_score, fluency_score = before.fluency_score,
    speech_rate_wpm = before.speech_rate_wpm
FROM {_PREVIOUS},
    jsonb_populate_record(CAST(NULL AS messages), p.document -> 'message') AS before
WHERE i.id = ANY(:item_ids) AND i.message_id = m.id AND m.id = ANY(:message_ids)
""")  # noqa: S608 - our own fragments
_END = text("""
WITH ended AS (
    UPDATE audio_ops.backfill_item
    SET outcome = 'undone', done_at = statement_timestamp(),
        token = NULL, owner = NULL, leased_until = NULL
    WHERE id = ANY(:item_ids) AND (outcome IS NULL OR message_id = ANY(:message_ids))
    RETURNING id
)
DELETE FROM audio_ops.backfill_previous WHERE item_id IN (SELECT id FROM ended)
""")
_RELEASE = text("""
UPDATE audio_ops.backfill SET released_at = coalesce(released_at, statement_timestamp())
WHERE id = :backfill_id AND ended_at IS NOT NULL AND undone_at IS NULL
""")
_FORGET = text("""
DELETE FROM audio_ops.backfill_previous AS p USING audio_ops.backfill_item AS i
WHERE p.item_id = i.id AND i.backfill_id = :backfill_id
""")


def count(connection: Connection, backfill_id: int) -> tuple[int, int]:
    """Count the analyses that a backfill wrote: unchanged ones, and ones changed since.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        backfill_id: The backfill.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    row = connection.execute(_COUNT, {"backfill_id": backfill_id}).one()
    return row.unchanged, row.written - row.unchanged


def begin(connection: Connection, backfill_id: int, *, reason: str) -> bool:
    """Mark a backfill as undone and stop it; return False if it was released."""
    arguments = {"backfill_id": backfill_id, "reason": reason}
    return connection.execute(_BEGIN, arguments).rowcount == 1


def page(connection: Connection, backfill_id: int, *, after_id: int, limit: int) -> list[int]:
    """Return ids, after `after_id` and in order, of items that are not undone."""
    arguments = {"backfill_id": backfill_id, "after_id": after_id, "limit": limit}
    return list(connection.execute(_PAGE, arguments).scalars())


def undo(connection: Connection, item_ids: list[int]) -> int:
    """Restore messages and analyses as they were before the backfill; return how many messages.

    Messages that have changed since and those of erased learners are not restored. Replaced scores
    are kept in `audio_ops.analysis_history`, as always.

    Args:
        connection: In a transaction; messages and items stay locked until it ends.
        item_ids: Items of one backfill.
    """
    rows = connection.execute(_LOCK, {"item_ids": item_ids}).all()
    held = [row.id for row in rows]
    erased = erasure.under_tombstone(connection, [row.message_id for row in rows])
    unchanged = connection.execute(_UNCHANGED, {"item_ids": held}).scalars()
    ours = [message_id for message_id in unchanged if message_id not in erased]
    arguments = {"item_ids": held, "message_ids": ours}
    if ours:
        analyses.keep_history(connection, ours)
        connection.execute(_DELETE, arguments)
        connection.execute(_RESTORE_ANALYSES, arguments)
        connection.execute(_RESTORE_MESSAGES, arguments)
    connection.execute(_END, arguments)
    return len(ours)


def release(connection: Connection, backfill_id: int) -> int | None:
    """Delete the copies of what a backfill overwrote, so that it can no longer be undone.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        backfill_id: The backfill.

    Returns:
        How many copies were deleted; None if the backfill has not ended or was undone.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    if not connection.execute(_RELEASE, {"backfill_id": backfill_id}).rowcount:
        return None
    return connection.execute(_FORGET, {"backfill_id": backfill_id}).rowcount
