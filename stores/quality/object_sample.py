"""A sample of the checked recordings, whose objects are looked up in the bucket."""

from collections.abc import Collection

from sqlalchemy import Connection, text

from schema.facts.quality import SampledRecording
from stores.quality.rules import bucket_sample
from stores.readable import size_bytes

_RULES = [rule.name for rule in bucket_sample.RULES]

# Failed messages already state what is wrong with their recording. Messages with an open case are
# added, as otherwise only chance would close it.
_PICK = text(f"""
SELECT message_id, live_storage_key, audio_size_bytes, is_known
FROM (
    SELECT c.message_id, c.live_storage_key,
        {size_bytes("c.audio_size_bytes")} AS audio_size_bytes,
        q.message_id IS NOT NULL AS is_known, row_number() OVER (
        PARTITION BY q.message_id IS NOT NULL ORDER BY random()
    ) AS number
    FROM checked_message AS c
    LEFT JOIN (
        SELECT DISTINCT message_id FROM audio_ops.quarantine
        WHERE released_at IS NULL AND rule = ANY(:rules)
    ) AS q ON q.message_id = c.message_id
    WHERE c.live_storage_key IS NOT NULL
      AND COALESCE(c.audio_processing_state, '') NOT IN ('pending', 'uploading', 'failed')
) AS candidate
WHERE number <= :limit
""")  # noqa: S608 - ours

# A sweep deletes the object before it commits the row, but commits its intent first.
_STILL_CLAIMED = text(f"""
SELECT m.id
FROM messages AS m
JOIN unnest(CAST(:message_ids AS text[]), CAST(:keys AS text[]), CAST(:sizes AS bigint[]))
    AS seen (message_id, storage_key, size_bytes) ON seen.message_id = m.id
WHERE m.audio_storage_key = seen.storage_key
  AND {size_bytes("m.audio_size_bytes")} IS NOT DISTINCT FROM seen.size_bytes
  AND m.audio_deleted_at IS NULL
  AND m.audio_processing_state IS DISTINCT FROM 'uploading'
  AND NOT EXISTS (
      SELECT FROM audio_ops.deletion_ledger AS d
      WHERE d.state = 'intended' AND d.key_sha256 = sha256(convert_to(m.audio_storage_key, 'UTF8'))
  )
""")  # noqa: S608 - ours


# Cases of deleted recordings are closed, too.
_RELEASE = text("""
UPDATE audio_ops.quarantine AS q SET released_at = statement_timestamp()
FROM checked_message AS c
WHERE c.message_id = q.message_id AND q.released_at IS NULL AND q.rule = ANY(:rules)
  AND (q.message_id = ANY(:message_ids) OR c.live_storage_key IS NULL)
  AND NOT EXISTS (
      SELECT FROM broken AS b WHERE b.message_id = q.message_id AND b.rule = q.rule
  )
""")


def pick(connection: Connection, limit: int) -> list[SampledRecording]:
    """Return random live recordings, and random ones with an open case.

    Args:
        connection: The one on which `checked_rows.create` created its tables.
        limit: Maximum number of recordings of each kind.
    """
    rows = connection.execute(_PICK, {"limit": limit, "rules": _RULES})
    return [SampledRecording(*row) for row in rows]


def still_claimed(connection: Connection, sample: Collection[SampledRecording]) -> set[str]:
    """Return the ids of messages whose rows are unchanged and not being deleted."""
    facts = {
        "message_ids": [recording.message_id for recording in sample],
        "keys": [recording.storage_key for recording in sample],
        "sizes": [recording.size_bytes for recording in sample],
    }
    return set(connection.execute(_STILL_CLAIMED, facts).scalars())


def release(connection: Connection, sample: Collection[SampledRecording]) -> int:
    """Close the open cases of sampled recordings that now pass, and of deleted ones.

    Args:
        connection: The one whose table `broken` is complete.
        sample: The recordings that were looked up in the bucket.

    Returns:
        How many cases were closed.
    """
    ids = [recording.message_id for recording in sample]
    return connection.execute(_RELEASE, {"message_ids": ids, "rules": _RULES}).rowcount
