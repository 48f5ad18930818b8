"""A sample of the recordings that a check looks at, to be asked for in the bucket."""

from collections.abc import Collection

from sqlalchemy import Connection, text

from schema.quality import SampledRecording

_PICK = text("""
SELECT message_id, live_storage_key, audio_size_bytes FROM checked_message
WHERE live_storage_key IS NOT NULL
  AND COALESCE(audio_processing_state, '') NOT IN ('pending', 'uploading')
ORDER BY random()
LIMIT :limit
""")

# A sweep deletes the object before it commits what it says of the row; its intent is there before.
_STILL_CLAIMED = text("""
SELECT m.id
FROM messages AS m
JOIN unnest(CAST(:message_ids AS text[]), CAST(:keys AS text[]), CAST(:sizes AS bigint[]))
    AS seen (message_id, storage_key, size_bytes) ON seen.message_id = m.id
WHERE m.audio_storage_key = seen.storage_key
  AND m.audio_size_bytes IS NOT DISTINCT FROM seen.size_bytes
  AND m.audio_deleted_at IS NULL
  AND m.audio_processing_state <> 'uploading'
  AND NOT EXISTS (
      SELECT FROM audio_ops.deletion_ledger AS d
      WHERE d.state = 'intended' AND d.key_sha256 = sha256(convert_to(m.audio_storage_key, 'UTF8'))
  )
""")


def pick(connection: Connection, limit: int) -> list[SampledRecording]:
    """Return live recordings at random.

    Args:
        connection: Where `checked_rows.create` has made its tables.
        limit: Recordings at most.
    """
    return [SampledRecording(*row) for row in connection.execute(_PICK, {"limit": limit})]


def still_claimed(connection: Connection, sample: Collection[SampledRecording]) -> set[str]:
    """Return those messages whose rows still say what they said, ids; nobody deletes them now."""
    facts = {
        "message_ids": [recording.message_id for recording in sample],
        "keys": [recording.storage_key for recording in sample],
        "sizes": [recording.size_bytes for recording in sample],
    }
    return set(connection.execute(_STILL_CLAIMED, facts).scalars())
