"""Queue of orphans: objects without a message, which the sweep deletes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from schema.facts.deletion import Orphan
from stores.deletion.holds import HELD_ORPHAN
from stores.reconciliation.stray_objects import MESSAGE_OF

_FACTS = f"""
SELECT o.storage_key, o.message_id, o.size_bytes, o.queued_at, {HELD_ORPHAN} AS held,
    EXISTS (
        SELECT FROM messages AS m
        WHERE m.audio_storage_key = o.storage_key
            AND (m.audio_deleted_at IS NULL OR m.audio_processing_state = 'uploading')
    ) OR o.source = 'reconciliation' AND EXISTS (
        {MESSAGE_OF.format("o.storage_key")} OFFSET 0
    ) AS in_use
FROM audio_ops.orphan_object AS o"""  # noqa: S608 - ours

_FIND = text(f"""{_FACTS}
WHERE o.refused IS NULL AND o.storage_key > :after
ORDER BY o.storage_key
LIMIT :limit
""")
_LOCK = text(f"""{_FACTS}
WHERE o.refused IS NULL AND o.storage_key = ANY(:keys)
ORDER BY o.storage_key
FOR UPDATE OF o SKIP LOCKED
""")
_CLAIMED = text(f"""
SELECT o.storage_key FROM audio_ops.orphan_object AS o
WHERE o.storage_key = ANY(:keys) AND {HELD_ORPHAN}
UNION
SELECT m.audio_storage_key FROM messages AS m
WHERE m.audio_storage_key = ANY(:keys) AND m.audio_deleted_at IS NOT NULL
    AND m.audio_processing_state = 'uploading'
""")  # noqa: S608 - ours
_COUNT = text("SELECT count(*) FROM audio_ops.orphan_object WHERE refused IS NULL")
_COUNT_REFUSED = text(f"""
SELECT count(*), count(*) FILTER (WHERE o.queued_at <= :before AND NOT {HELD_ORPHAN})
FROM audio_ops.orphan_object AS o
WHERE o.refused IS NOT NULL
""")  # noqa: S608 - ours
_REMOVE = text("DELETE FROM audio_ops.orphan_object WHERE storage_key = ANY(:keys)")
_REFUSE = text("""
UPDATE audio_ops.orphan_object AS o SET refused = bad.refused
FROM unnest(CAST(:keys AS text[]), CAST(:reasons AS text[])) AS bad (storage_key, refused)
WHERE o.storage_key = bad.storage_key
""")
_QUEUE = text("""
INSERT INTO audio_ops.orphan_object (storage_key, source, size_bytes, message_id,
    conversation_id, user_id)
SELECT l.storage_key, 'message_deleted', l.size_bytes, l.message_id, m.conversation_id, c.user_id
FROM audio_ops.deletion_ledger AS l
LEFT JOIN messages AS m ON m.id = l.message_id
LEFT JOIN conversations AS c ON c.id = m.conversation_id
WHERE l.state = 'intended' AND l.storage_key = ANY(:keys)
ON CONFLICT (storage_key) DO NOTHING
""")
_OVERFLOWS = text("SELECT EXISTS (SELECT FROM audio_ops.orphan_overflow)")
# As the trigger does it: a key with several messages belongs to none of them.
_TAKE_OVERFLOW = text("""
WITH taken AS (DELETE FROM audio_ops.orphan_overflow RETURNING *)
INSERT INTO audio_ops.orphan_object AS o
    (storage_key, source, size_bytes, message_id, conversation_id, user_id, queued_at)
SELECT storage_key, source, max(size_bytes),
    CASE WHEN count(*) = 1 THEN min(message_id) END,
    CASE WHEN count(*) = 1 THEN min(conversation_id) END,
    CAST(CASE WHEN count(*) = 1 THEN min(CAST(user_id AS text)) END AS uuid),
    min(queued_at)
FROM taken GROUP BY storage_key, source ORDER BY storage_key
ON CONFLICT (storage_key) DO UPDATE SET message_id = NULL, conversation_id = NULL, user_id = NULL
WHERE o.message_id IS DISTINCT FROM excluded.message_id
""")


def take_overflow(connection: Connection) -> int:
    """Queue what the trigger wrote to the overflow while the queue was locked; return how many."""
    # Usually it is empty; then the queue is not even asked for.
    if not connection.execute(_OVERFLOWS).scalar_one():
        return 0
    return connection.execute(_TAKE_OVERFLOW).rowcount


def count(connection: Connection) -> int:
    """Count the objects in the queue, except refused ones."""
    return int(connection.execute(_COUNT).scalar_one())


def count_refused(connection: Connection, *, before: datetime) -> tuple[int, int]:
    """Return the numbers of refused objects: all, and those not held, queued by `before`."""
    refused, old = connection.execute(_COUNT_REFUSED, {"before": before}).one()
    return int(refused), int(old)


def find(connection: Connection, *, after: str, limit: int) -> list[Orphan]:
    """Return orphans with keys after `after`, in key order, except refused ones."""
    return [Orphan(*row) for row in connection.execute(_FIND, {"after": after, "limit": limit})]


def lock(connection: Connection, keys: Collection[str]) -> list[Orphan]:
    """Lock the orphans with these keys, skipping those that others have locked."""
    return [Orphan(*row) for row in connection.execute(_LOCK, {"keys": list(keys)})]


def claimed(connection: Connection, keys: Collection[str]) -> set[str]:
    """Return the keys that must be kept for another reason than a live message.

    A hold on a deleted message still covers its object, and a message whose recording was deleted
    may be uploading a new one.
    """
    return set(connection.execute(_CLAIMED, {"keys": list(keys)}).scalars())


def queue_intended(connection: Connection, keys: Sequence[str]) -> None:
    """Queue objects with an open intent that their messages no longer refer to."""
    if keys:
        connection.execute(_QUEUE, {"keys": list(keys)})


def remove(connection: Connection, keys: Sequence[str]) -> None:
    """Remove objects from the queue that are deleted, or in use again."""
    if keys:
        connection.execute(_REMOVE, {"keys": list(keys)})


def refuse(connection: Connection, reasons: Mapping[str, str]) -> None:
    """Mark queued objects as refused: sweeps skip them until someone decides.

    Args:
        connection: In a transaction.
        reasons: Human-readable reasons by key.
    """
    if reasons:
        connection.execute(_REFUSE, {"keys": list(reasons), "reasons": list(reasons.values())})
