"""Deletions of held recordings that may still be under way when their hold is placed.

Placing a hold waits for running deletions, but a deletion whose database session ended has lost its
locks, and its request to the bucket may still succeed. Only its intent in the ledger tells.
"""

from datetime import timedelta

from sqlalchemy import Connection, text

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, HoldScope
from stores.deletion.holds import SUBJECTS

# Entries that were withdrawn a moment ago count too: whoever withdrew them may have looked at the
# bucket before the request arrived there. They are found by walking back from the chain's head.
_FIND = {
    scope: text(f"""
WITH RECURSIVE held AS (
    SELECT CAST(subject_id AS {subject_type}) AS subject
    FROM audio_ops.legal_hold WHERE id = :hold_id
), latest AS (
    (
        SELECT id, position, state, finished_at FROM audio_ops.deletion_ledger
        WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1
    )
    UNION ALL
    SELECT entry.id, entry.position, entry.state, entry.finished_at
    FROM latest JOIN audio_ops.deletion_ledger AS entry ON entry.position = latest.position - 1
    WHERE latest.finished_at > clock_timestamp() - :window
), covered AS (
    SELECT m.audio_storage_key AS storage_key
    FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
    WHERE {of_message} = (SELECT subject FROM held)
        AND m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL
    UNION ALL
    SELECT o.storage_key FROM audio_ops.orphan_object AS o
    WHERE {of_orphan} = (SELECT subject FROM held)
), recordings AS (
    SELECT storage_key, count(*) AS recordings FROM covered GROUP BY storage_key
), entries AS (
    SELECT * FROM audio_ops.deletion_ledger WHERE state = 'intended'
    UNION ALL
    SELECT * FROM audio_ops.deletion_ledger WHERE id = ANY(ARRAY(
        SELECT id FROM latest
        WHERE state = 'withdrawn' AND finished_at > clock_timestamp() - :window
    ))
)
SELECT DISTINCT ON (r.storage_key) r.storage_key, r.recordings, l.message_id, l.reason, l.size_bytes
FROM entries AS l JOIN recordings AS r ON l.key_sha256 = sha256(convert_to(r.storage_key, 'UTF8'))
ORDER BY r.storage_key, l.id DESC
""")  # noqa: S608 - our own names
    for scope, (_, of_message, of_orphan) in SUBJECTS.items()
    for subject_type in ("uuid" if scope is HoldScope.USER else "text",)
}


def find(
    connection: Connection, scope: HoldScope, hold_id: int, *, window: timedelta
) -> dict[IntendedDeletion, int]:
    """Return deletions that may be under way, with how many recordings under this hold each ends.

    Args:
        connection: In the transaction that placed the hold, so that no deletion begins later.
        scope: The hold's scope.
        hold_id: The hold.
        window: The longest time that a deletion may be under way.
    """
    rows = connection.execute(_FIND[scope], {"hold_id": hold_id, "window": window})
    return {
        IntendedDeletion(key, message_id, DeletionReason(reason), size_bytes=size_bytes): recordings
        for key, recordings, message_id, reason, size_bytes in rows
    }
