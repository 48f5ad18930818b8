"""Tombstones of erased learners, and erasure of what is not in their messages."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, TextClause, text

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason
from schema.tables.base import UtcDateTime

_IS_KNOWN = text("""
SELECT EXISTS (SELECT FROM users WHERE id = :user_id)
    OR EXISTS (SELECT FROM conversations WHERE user_id = :user_id)
    OR EXISTS (SELECT FROM audio_ops.orphan_object WHERE user_id = :user_id)
    OR EXISTS (SELECT FROM audio_ops.erased_learner WHERE user_id = :user_id)
""")
_BEGIN = text("""
INSERT INTO audio_ops.erased_learner AS e (user_id, reason) VALUES (:user_id, :reason)
ON CONFLICT (user_id) DO UPDATE SET completed_at = NULL
RETURNING e.receipt
""")
_COMPLETE = text(
    "UPDATE audio_ops.erased_learner SET completed_at = now() WHERE user_id = :user_id"
)

_USED_BY_OTHERS = text("""
SELECT DISTINCT m.audio_storage_key
FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
WHERE m.audio_storage_key = ANY(:keys) AND m.audio_deleted_at IS NULL
    AND c.user_id IS DISTINCT FROM :user_id
""")

_SAMPLE_OF_OTHERS = text("""
SELECT m.audio_storage_key
FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
WHERE m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL
    AND m.audio_retention_expires_at > :as_of
    AND m.audio_processing_state NOT IN ('pending', 'uploading')
    AND c.user_id IS DISTINCT FROM :user_id
    AND NOT EXISTS (SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id)
ORDER BY m.audio_retention_expires_at DESC NULLS LAST, m.id DESC
LIMIT :limit
""").bindparams(sa.bindparam("as_of", type_=UtcDateTime))

_THEIR_MESSAGES = """(
    SELECT m.id FROM conversations AS c JOIN messages AS m ON m.conversation_id = c.id
    WHERE c.user_id = :user_id
)"""
# An unfinished deletion of an object that no message refers to any more counts as queued.
_ORPHANS = text(f"""
SELECT storage_key, message_id, size_bytes FROM audio_ops.orphan_object
WHERE storage_key > :after
    AND (user_id = :user_id OR starts_with(storage_key, :folder)
        OR conversation_id IN (SELECT id FROM conversations WHERE user_id = :user_id))
UNION ALL
SELECT storage_key, message_id, size_bytes FROM audio_ops.deletion_ledger AS l
WHERE state = 'intended' AND storage_key > :after
    AND (starts_with(storage_key, :folder) OR message_id IN {_THEIR_MESSAGES})
    AND NOT EXISTS (SELECT FROM audio_ops.orphan_object AS o WHERE o.storage_key = l.storage_key)
    AND NOT EXISTS (SELECT FROM messages AS m WHERE m.audio_storage_key = l.storage_key)
ORDER BY storage_key LIMIT :limit
""")  # noqa: S608 - ours

# Rows about objects, whose keys contain the learner's id. A listing that lacks rows or its last key
# is started over; one that is still being made ends.
_ABOUT_OBJECTS = (
    "DELETE FROM audio_ops.bucket_inventory WHERE {storage_key}",
    "DELETE FROM audio_ops.reconciliation_finding WHERE {storage_key}",
    "DELETE FROM audio_ops.reconciliation WHERE listed_at IS NULL AND {last_key}",
    "UPDATE audio_ops.reconciliation SET last_key = NULL WHERE {last_key}",
)


def _about_objects(condition: str) -> tuple[TextClause, ...]:
    columns = {name: condition.format(name) for name in ("storage_key", "last_key")}
    return tuple(text(statement.format(**columns)) for statement in _ABOUT_OBJECTS)


_FORGET_KEYS = _about_objects("{} = ANY(:keys)")
# The last message selected of a backfill matters only until its selection is whole; until then, the
# messages of the same time are selected again.
_FORGET_LISTED = (
    *_about_objects("starts_with({}, :folder)"),
    text(f"""
DELETE FROM audio_ops.reconciliation_finding WHERE message_id IN {_THEIR_MESSAGES}
"""),  # noqa: S608 - ours
    text(f"""
UPDATE audio_ops.backfill SET frozen_to = CASE WHEN frozen_at IS NULL THEN jsonb_build_object(
    'id', '', 'timestamp', CAST(CAST(frozen_to ->> 'timestamp' AS timestamp) + CASE
        WHEN CAST(selection ->> 'newest_first' AS boolean) THEN interval '1 microsecond'
        ELSE interval '0'
    END AS text)
) END
WHERE frozen_to ->> 'id' IN {_THEIR_MESSAGES}
"""),  # noqa: S608 - ours
    # Not removed: a selection without any conversation selects all.
    text("""
WITH theirs AS MATERIALIZED (SELECT id FROM conversations WHERE user_id = :user_id)
UPDATE audio_ops.backfill SET selection = jsonb_set(selection, '{conversation_ids}', (
    SELECT jsonb_agg(CASE WHEN asked IN (SELECT id FROM theirs) THEN 'erased' ELSE asked END)
    FROM jsonb_array_elements_text(selection -> 'conversation_ids') AS element (asked)
))
WHERE jsonb_exists_any(selection -> 'conversation_ids', ARRAY(SELECT id FROM theirs))
"""),
)

_UNDER_TOMBSTONE = text("""
SELECT m.id
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
JOIN audio_ops.erased_learner AS e ON e.user_id = c.user_id
WHERE m.id = ANY(:message_ids) AND EXISTS (SELECT FROM audio_ops.erased_learner)
""")

# From the tombstones to their messages, by index. In a join, the planner would misjudge their
# number and read all of `messages`; OFFSET 0 prevents that.
_REVIVED = text("""
WITH revived AS MATERIALIZED (
    SELECT e.user_id
    FROM audio_ops.erased_learner AS e
    CROSS JOIN LATERAL (
        SELECT id FROM conversations WHERE user_id = e.user_id OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT id, audio_storage_key, audio_deleted_at, audio_url FROM messages
        WHERE conversation_id = c.id OFFSET 0
    ) AS m
    WHERE m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL
        OR m.audio_url IS NOT NULL
        OR EXISTS (SELECT FROM message_audio_analysis AS a WHERE a.message_id = m.id)
)
SELECT DISTINCT user_id FROM revived ORDER BY user_id LIMIT :limit
""")


def is_known(connection: Connection, user_id: UUID) -> bool:
    """Return whether any table knows the learner."""
    return bool(connection.execute(_IS_KNOWN, {"user_id": user_id}).scalar_one())


def begin(connection: Connection, user_id: UUID, reason: str) -> UUID:
    """Create the learner's tombstone; return its receipt.

    Once committed, the learner's messages are no longer claimed for analysis and no analysis of
    them is written. An existing tombstone keeps its receipt and reason.
    """
    arguments = {"user_id": user_id, "reason": reason}
    receipt: UUID = connection.execute(_BEGIN, arguments).scalar_one()
    return receipt


def complete(connection: Connection, user_id: UUID) -> None:
    """Record in the tombstone that the erasure is complete."""
    connection.execute(_COMPLETE, {"user_id": user_id})


def used_by_others(connection: Connection, user_id: UUID, keys: Collection[str]) -> set[str]:
    """Return those keys that live messages of other learners or guests use."""
    arguments = {"user_id": user_id, "keys": list(keys)}
    return set(connection.execute(_USED_BY_OTHERS, arguments).scalars())


def sample_of_others(
    connection: Connection, user_id: UUID, *, as_of: datetime, limit: int
) -> list[str]:
    """Return keys of others' live recordings that expire after `as_of`, the latest first.

    The learner's own are excluded: an interrupted erasure may have deleted them.
    """
    arguments = {"user_id": user_id, "as_of": as_of, "limit": limit}
    return list(connection.execute(_SAMPLE_OF_OTHERS, arguments).scalars())


def orphans(
    connection: Connection, user_id: UUID, *, folder: str, after: str, limit: int
) -> list[IntendedDeletion]:
    """Return objects that none of the learner's messages refers to, in key order.

    They are queued as orphans, refused ones too, or their deletion was never finished.
    """
    arguments = {"user_id": user_id, "folder": folder, "after": after, "limit": limit}
    return [
        IntendedDeletion(key, message_id, DeletionReason.ERASURE, size_bytes=size_bytes)
        for key, message_id, size_bytes in connection.execute(_ORPHANS, arguments)
    ]


def forget_keys(connection: Connection, keys: Collection[str]) -> int:
    """Delete listings and findings of these objects; return how many rows."""
    arguments = {"keys": list(keys)}
    return sum(connection.execute(statement, arguments).rowcount for statement in _FORGET_KEYS)


def forget_listed(connection: Connection, user_id: UUID, *, folder: str) -> int:
    """Forget what the rows of other things say of the learner; return how many rows.

    These are listings and findings of objects in the learner's folder, findings about their
    messages, the conversations a backfill was asked for, and the places that a listing or a
    backfill's selection has reached.
    """
    arguments = {"user_id": user_id, "folder": folder}
    return sum(connection.execute(statement, arguments).rowcount for statement in _FORGET_LISTED)


def under_tombstone(connection: Connection, message_ids: Sequence[str]) -> set[str]:
    """Return those messages whose learner is erased or being erased."""
    return set(connection.execute(_UNDER_TOMBSTONE, {"message_ids": list(message_ids)}).scalars())


def revived(connection: Connection, *, limit: int) -> list[UUID]:
    """Return erased learners who have audio, a URL or an analysis again.

    Restoring a backup causes this. Costs nothing while no learner has been erased.
    """
    return list(connection.execute(_REVIVED, {"limit": limit}).scalars())
