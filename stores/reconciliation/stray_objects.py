"""Find objects that were uploaded before their message was saved, by key, and adopt them.

The app names an object `audio/{learner or "anonymous"}/{conversation}/{message}_{epoch ms}.wav`.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from schema.facts.bucket import Adoption, Stray
from schema.facts.bucket import Reconciliation as Run
from stores.deletion import ledger
from stores.reconciliation.inventory import WHOLE_TABLE_TIMEOUT, progress

# SQL: the message without a recording, if any, that the key `{}` names: same id, conversation and
# owner. Add OFFSET 0 where it is used: in a join, the planner would misjudge how many keys name a
# message and read all of `messages`.
MESSAGE_OF = """
    SELECT m.id AS message_id
    FROM regexp_match(
        {} COLLATE "default", '^audio/([^/]+)/([^/]+)/([^/]+)_[0-9]{{13}}[.]wav$'
    ) AS named
    JOIN messages AS m ON m.id = named[3] AND m.conversation_id = named[2]
    JOIN conversations AS c ON c.id = m.conversation_id
    WHERE named[1] = COALESCE(CAST(c.user_id AS text), 'anonymous')
      AND m.audio_storage_key IS NULL AND m.audio_deleted_at IS NULL
      AND NOT EXISTS (SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id)"""

# Objects left behind when the app deleted their message must not be adopted.
_IS_FREE = """NOT EXISTS (
        SELECT FROM messages AS other WHERE other.audio_storage_key = {0} COLLATE "default" OFFSET 0
    )
    AND NOT EXISTS (
        SELECT FROM audio_ops.orphan_object AS o
        WHERE o.storage_key = {0} COLLATE "default"
          AND (o.source <> 'reconciliation' OR o.refused IS NOT NULL)
        OFFSET 0
    )"""

# The newest of several uploads of one message: their keys differ only in the epoch, whose 13 digits
# sort like numbers (until 2286); ':' sorts after '9'.
_FIND = text(f"""
SELECT i.storage_key, named.message_id
FROM (
    SELECT storage_key, size_bytes FROM audio_ops.bucket_inventory
    WHERE storage_key > :after
    ORDER BY storage_key
    OFFSET 0
) AS i
CROSS JOIN LATERAL ({MESSAGE_OF.format("i.storage_key")} OFFSET 0) AS named
WHERE i.size_bytes BETWEEN 1 AND 2147483647 AND {_IS_FREE.format("i.storage_key")}
  AND NOT EXISTS (
    SELECT FROM audio_ops.bucket_inventory AS newer
    WHERE newer.storage_key > i.storage_key
      AND newer.storage_key < left(i.storage_key, -17) || ':'
      AND left(newer.storage_key, -17) = left(i.storage_key, -17)
      AND newer.storage_key ~ '_[0-9]{{13}}[.]wav$' AND newer.size_bytes > 0
    OFFSET 0
  )
ORDER BY i.storage_key
LIMIT :limit
""")  # noqa: S608 - ours

_LOCK_MESSAGES = text("""
SELECT id FROM messages WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
""")
# Except those that a sweep is deleting: it locks them for as long as the bucket takes.
_LOCK_QUEUED = text("""
SELECT o.storage_key FROM audio_ops.orphan_object AS o
WHERE o.storage_key = ANY(:keys) AND NOT EXISTS (
    SELECT FROM audio_ops.deletion_ledger AS l
    WHERE l.state = 'intended' AND l.key_sha256 = sha256(convert_to(o.storage_key, 'UTF8'))
)
ORDER BY o.storage_key
FOR UPDATE OF o
""")
_STILL_STRAY = text(f"""
SELECT wanted.storage_key
FROM unnest(CAST(:keys AS text[])) AS wanted (storage_key)
CROSS JOIN LATERAL ({MESSAGE_OF.format("wanted.storage_key")} OFFSET 0) AS named
WHERE named.message_id = ANY(:locked) AND {_IS_FREE.format("wanted.storage_key")}
""")  # noqa: S608 - ours
# Without an expiry: the next sweep sets it by the owner's tier at that time.
_ADOPT = text("""
UPDATE messages AS m
SET audio_storage_key = new.storage_key, audio_size_bytes = new.size_bytes,
    audio_duration_ms = new.duration_ms, audio_format = new.format,
    audio_sample_rate = new.sample_rate_hz, audio_channels = new.channels,
    audio_processing_state = 'uploaded', audio_processing_error = NULL
FROM unnest(
    CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:sizes AS integer[]),
    CAST(:durations AS integer[]), CAST(:formats AS text[]), CAST(:rates AS integer[]),
    CAST(:channels AS integer[])
) AS new (id, storage_key, size_bytes, duration_ms, format, sample_rate_hz, channels)
WHERE m.id = new.id
""")
_UNQUEUE = text("DELETE FROM audio_ops.orphan_object WHERE storage_key = ANY(:keys)")


def find_strays(connection: Connection, run: Run, *, after: str, limit: int) -> list[Stray]:
    """Return listed objects that messages without a recording can adopt, in key order.

    Args:
        connection: In a transaction; if there are few strays, this scans the whole listing.
        run: A run whose listing is complete.
        after: Only keys after this one.
        limit: Maximum number of objects; fewer are returned only at the end.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = '{WHOLE_TABLE_TIMEOUT}'"))
    progress(connection, run)
    found = connection.execute(_FIND, {"after": after, "limit": limit}).tuples().all()
    deleted = ledger.deleted(connection, [key for key, _ in found])
    return [Stray(key, message_id, key in deleted) for key, message_id in found]


def adopt(connection: Connection, run: Run, adoptions: Sequence[Adoption]) -> int:
    """Attach objects to their messages, and remove them from the orphan queue.

    All conditions are rechecked after locking the messages in id order. Messages that others have
    locked are left for the next reconciliation.

    Returns:
        How many messages received a recording.
    """
    progress(connection, run)
    ids = [adoption.message_id for adoption in adoptions]
    keys = [adoption.storage_key for adoption in adoptions]
    locked = list(connection.execute(_LOCK_MESSAGES, {"ids": ids}).scalars())
    connection.execute(_LOCK_QUEUED, {"keys": keys})
    stray = set(connection.execute(_STILL_STRAY, {"keys": keys, "locked": locked}).scalars())
    return _write(connection, stray - ledger.deleted(connection, stray), adoptions)


def _write(connection: Connection, free: Collection[str], adoptions: Sequence[Adoption]) -> int:
    chosen = [adoption for adoption in adoptions if adoption.storage_key in free]
    if not chosen:
        return 0
    new = {
        "ids": [adoption.message_id for adoption in chosen],
        "keys": [adoption.storage_key for adoption in chosen],
        "sizes": [adoption.size_bytes for adoption in chosen],
        "durations": [adoption.duration_ms for adoption in chosen],
        "formats": [adoption.format for adoption in chosen],
        "rates": [adoption.sample_rate_hz for adoption in chosen],
        "channels": [adoption.channels for adoption in chosen],
    }
    adopted = connection.execute(_ADOPT, new).rowcount
    connection.execute(_UNQUEUE, {"keys": new["keys"]})
    return adopted
