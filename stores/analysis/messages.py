"""Messages: read them, and write the outcome of their analysis."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select, text

from schema.facts.analysis import StoredMessage
from schema.tables.app import Message

_STORED = select(*(Message.__table__.c[name] for name in StoredMessage.__dataclass_fields__))

_MARK_ANALYZED = text("""
WITH ended AS (
    DELETE FROM audio_ops.lease WHERE message_id = ANY(:message_ids)
)
UPDATE messages AS m
SET audio_processing_state = 'analyzed', audio_processing_error = NULL,
    pronunciation_score = done.pronunciation, fluency_score = done.fluency,
    speech_rate_wpm = done.speech_rate
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:pronunciations AS integer[]),
    CAST(:fluencies AS integer[]), CAST(:speech_rates AS integer[])
) AS done (message_id, pronunciation, fluency, speech_rate)
WHERE m.id = done.message_id
""")

_MARK_FAILED = text("""
WITH ended AS (
    DELETE FROM audio_ops.lease WHERE message_id = ANY(:message_ids)
)
UPDATE messages AS m
SET audio_processing_state = 'failed', audio_processing_error = failed.error
FROM unnest(CAST(:message_ids AS text[]), CAST(:errors AS text[])) AS failed (message_id, error)
WHERE m.id = failed.message_id
""")

# When the app saves a message again, it clears one of the three scores (docs/adr/0091). Locked rows
# are being written: skip them.
_LOCK_OVERWRITTEN = text("""
SELECT m.id
FROM messages AS m
JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE m.audio_processing_state = 'analyzed'
  AND m.pronunciation_score IS NULL
  AND m.fluency_score IS NOT NULL
  AND m.id > :after_id
  AND a.overall_accuracy_score IS NOT NULL
  AND a.analysis_error IS NULL
ORDER BY m.id
LIMIT :limit
FOR NO KEY UPDATE OF m SKIP LOCKED
""")
# Raw samples only, computed as the app does: in other formats, size does not determine duration.
_DURATION_MS = """CAST(m.audio_size_bytes AS float8) * 500
            / (CAST(m.audio_sample_rate AS float8) * m.audio_channels)"""
_PUT_BACK = text(f"""
UPDATE messages AS m
SET pronunciation_score = a.overall_accuracy_score,
    audio_duration_ms = COALESCE(m.audio_duration_ms, CASE
        WHEN m.audio_format = 'pcm16' AND m.audio_size_bytes > 0
            AND m.audio_sample_rate > 0 AND m.audio_channels > 0
            AND {_DURATION_MS} < 2147483647
        THEN CAST(round({_DURATION_MS}) AS integer) END)
FROM message_audio_analysis AS a
WHERE m.id = ANY(:message_ids)
  AND a.message_id = m.id
  AND a.overall_accuracy_score IS NOT NULL
  AND a.analysis_error IS NULL
RETURNING m.id
""")  # noqa: S608 - ours


def get(connection: Connection, message_id: str) -> StoredMessage | None:
    """Return one message, or None."""
    row = connection.execute(_STORED.where(Message.id == message_id)).one_or_none()
    return None if row is None else StoredMessage(*row)


def mark_analyzed(
    connection: Connection, scores: Iterable[tuple[str, int | None, int | None, int | None]]
) -> None:
    """Set messages to `analyzed` with their scores, and end their leases.

    Args:
        connection: In a transaction that has locked the messages with `leases.lock_held`.
        scores: Message id, pronunciation (0-100), fluency (0-100), words per minute.
    """
    rows = list(scores)
    if rows:
        names = ("message_ids", "pronunciations", "fluencies", "speech_rates")
        connection.execute(_MARK_ANALYZED, _columns(names, rows))


def mark_failed(connection: Connection, errors: Iterable[tuple[str, str]]) -> None:
    """Set messages to `failed` with the reason, and end their leases.

    Args:
        connection: In a transaction that has locked the messages with `leases.lock_held`.
        errors: Message id, and a human-readable reason.
    """
    rows = list(errors)
    if rows:
        connection.execute(_MARK_FAILED, _columns(("message_ids", "errors"), rows))


def put_back_scores(connection: Connection, *, after_id: str, limit: int) -> list[str]:
    """Restore scores that the app cleared from their analyses; return the messages' ids.

    Durations, which the app clears too, are restored where they follow from the size.

    Args:
        connection: In a transaction; the messages stay locked until it ends.
        after_id: Only messages after this id; for the next page, the last id returned.
        limit: Maximum number of messages. Locked ones are left for the next run.
    """
    page = {"after_id": after_id, "limit": limit}
    found = connection.execute(_LOCK_OVERWRITTEN, page).scalars().all()
    # A separate statement, under the locks, sees the current analyses.
    done = set(connection.execute(_PUT_BACK, {"message_ids": found}).scalars())
    return [message_id for message_id in found if message_id in done]


def _columns(names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> dict[str, list[object]]:
    """Transpose rows into one array per column, for `unnest`."""
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
