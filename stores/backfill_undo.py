"""Put back what a backfill overwrote, page by page, or let go of it for good."""

from sqlalchemy import Connection, text

from stores import analyses, erasure
from stores.backfills import LONG

_BEGIN = text("""
UPDATE audio_ops.backfill
SET undone_at = coalesce(undone_at, statement_timestamp()), undo_reason = :reason,
    stopped_at = coalesce(stopped_at, statement_timestamp())
WHERE id = :backfill_id AND released_at IS NULL
""")
_COUNT = text("""
SELECT count(*) FILTER (WHERE i.analyzed_at = a.analyzed_at AT TIME ZONE 'UTC') AS standing,
    count(*) FILTER (
        WHERE i.analyzed_at IS DISTINCT FROM a.analyzed_at AT TIME ZONE 'UTC'
    ) AS changed
FROM audio_ops.backfill_item AS i
LEFT JOIN message_audio_analysis AS a ON a.message_id = i.message_id
WHERE i.backfill_id = :backfill_id AND i.previous IS NOT NULL AND i.analyzed_at IS NOT NULL
""")
# Items still being analysed end too: whoever analyses them finds that they are held no more.
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
_STANDING = text("""
SELECT i.message_id
FROM audio_ops.backfill_item AS i
JOIN message_audio_analysis AS a ON a.message_id = i.message_id
WHERE i.id = ANY(:item_ids) AND i.previous IS NOT NULL
    AND i.analyzed_at = a.analyzed_at AT TIME ZONE 'UTC'
ORDER BY i.message_id
""")
_DELETE = text("DELETE FROM message_audio_analysis WHERE message_id = ANY(:message_ids)")
_INSERT = text("""
INSERT INTO message_audio_analysis
SELECT said.*
FROM audio_ops.backfill_item AS i,
    jsonb_populate_record(CAST(NULL AS message_audio_analysis), i.previous -> 'analysis') AS said
WHERE i.id = ANY(:item_ids) AND i.message_id = ANY(:message_ids)
    AND jsonb_typeof(i.previous -> 'analysis') = 'object'
ORDER BY i.message_id
""")
_RESTORE = text("""
UPDATE messages AS m
SET audio_processing_state = said.audio_processing_state,
    audio_processing_error = said.audio_processing_error,
    pronunciation_score = said.pronunciation_score, fluency_score = said.fluency_score,
    speech_rate_wpm = said.speech_rate_wpm
FROM audio_ops.backfill_item AS i,
    jsonb_populate_record(CAST(NULL AS messages), i.previous -> 'message') AS said
WHERE i.id = ANY(:item_ids) AND i.message_id = m.id AND m.id = ANY(:message_ids)
    AND m.audio_processing_state IN ('analyzed', 'failed')
""")
_END = text("""
UPDATE audio_ops.backfill_item
SET outcome = 'undone', done_at = statement_timestamp(), previous = NULL,
    token = NULL, owner = NULL, leased_until = NULL
WHERE id = ANY(:item_ids) AND (outcome IS NULL OR message_id = ANY(:message_ids))
""")
_RELEASE_ITEMS = text("""
UPDATE audio_ops.backfill_item SET previous = NULL
WHERE backfill_id = :backfill_id AND previous IS NOT NULL
""")
_RELEASE = text("""
UPDATE audio_ops.backfill SET released_at = coalesce(released_at, statement_timestamp())
WHERE id = :backfill_id
""")


def count(connection: Connection, backfill_id: int) -> tuple[int, int]:
    """Count the analyses that a backfill wrote: those that stand, and those changed since."""
    row = connection.execute(_COUNT, {"backfill_id": backfill_id}).one()
    return row.standing, row.changed


def begin(connection: Connection, backfill_id: int, *, reason: str) -> bool:
    """Let nothing more be analysed by it; return False if its documents were let go of."""
    arguments = {"backfill_id": backfill_id, "reason": reason}
    return connection.execute(_BEGIN, arguments).rowcount == 1


def page(connection: Connection, backfill_id: int, *, after_id: int, limit: int) -> list[int]:
    """Return ids of items after `after_id` that are not undone, in their order."""
    arguments = {"backfill_id": backfill_id, "after_id": after_id, "limit": limit}
    return list(connection.execute(_PAGE, arguments).scalars())


def undo(connection: Connection, item_ids: list[int]) -> int:
    """Put back what was there before; return of how many messages.

    What somebody else wrote since stays, and so does what erased learners lost. What is taken
    back leaves its scores in `audio_ops.analysis_history`, like anything that is overwritten.

    Args:
        connection: In a transaction; it locks messages and items until its end.
        item_ids: Items of one backfill.
    """
    rows = connection.execute(_LOCK, {"item_ids": item_ids}).all()
    held = [row.id for row in rows]
    erased = erasure.under_tombstone(connection, [row.message_id for row in rows])
    standing = connection.execute(_STANDING, {"item_ids": held}).scalars()
    ours = [message_id for message_id in standing if message_id not in erased]
    arguments = {"item_ids": held, "message_ids": ours}
    if ours:
        analyses.keep_history(connection, ours)
        connection.execute(_DELETE, arguments)
        connection.execute(_INSERT, arguments)
        connection.execute(_RESTORE, arguments)
    connection.execute(_END, arguments)
    return len(ours)


def release(connection: Connection, backfill_id: int) -> int:
    """Let go of what a backfill overwrote; it can no longer be undone. Return of how many messages.

    Args:
        connection: In a transaction; its settings change until its end.
        backfill_id: Which.
    """
    connection.execute(LONG)
    connection.execute(_RELEASE, {"backfill_id": backfill_id})
    return connection.execute(_RELEASE_ITEMS, {"backfill_id": backfill_id}).rowcount
