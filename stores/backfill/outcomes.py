"""Write the outcomes of a backfill's messages, and keep copies of what they overwrite."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, text

from schema.facts.backfill import FinishedItem
from stores.backfill.leases import CLAIMED_ROWS

# An existing copy is kept: it is from before the backfill.
_KEEP_PREVIOUS = text(f"""
WITH kept AS (
    INSERT INTO audio_ops.backfill_previous (item_id, document)
    SELECT i.id, jsonb_build_object(
        'message', jsonb_build_object(
            'audio_processing_state', m.audio_processing_state,
            'audio_processing_error', m.audio_processing_error,
            'pronunciation_score', m.pronunciation_score,
            'fluency_score', m.fluency_score,
            'speech_rate_wpm', m.speech_rate_wpm
        ),
        'analysis', to_jsonb(a)
    )
    FROM {CLAIMED_ROWS}
    WHERE i.token = :token AND m.id = ANY(:message_ids)
    ON CONFLICT DO NOTHING
    RETURNING item_id
)
UPDATE audio_ops.backfill_item AS item
SET accuracy_before = a.overall_accuracy_score, fluency_before = a.overall_fluency_score
FROM {CLAIMED_ROWS}
WHERE item.id = i.id AND i.id IN (SELECT item_id FROM kept)
""")  # noqa: S608 - our own fragments
_FINISH = text("""
UPDATE audio_ops.backfill_item AS i
SET outcome = done.outcome, cause = done.cause, done_at = statement_timestamp(),
    accuracy_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_accuracy_score END,
    fluency_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_fluency_score END,
    audio_ms = done.audio_ms, cpu_ms = done.cpu_ms,
    analyzed_at = CASE
        WHEN EXISTS (SELECT FROM audio_ops.backfill_previous AS p WHERE p.item_id = i.id)
        THEN a.analyzed_at AT TIME ZONE 'UTC'
    END,
    token = NULL, owner = NULL, leased_until = NULL
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:outcomes AS text[]), CAST(:causes AS text[]),
    CAST(:audio_ms AS integer[]), CAST(:cpu_ms AS integer[])
) AS done (message_id, outcome, cause, audio_ms, cpu_ms)
LEFT JOIN message_audio_analysis AS a ON a.message_id = done.message_id
WHERE i.token = :token AND i.message_id = done.message_id
""")


def keep_previous(connection: Connection, token: UUID, message_ids: Collection[str]) -> None:
    """Copy held messages and their analyses, so that `undo` can restore them."""
    connection.execute(_KEEP_PREVIOUS, {"token": token, "message_ids": list(message_ids)})


def finish(connection: Connection, token: UUID, finished: Collection[FinishedItem]) -> None:
    """Write the outcomes of held messages, and end their leases.

    Args:
        connection: In the transaction that wrote the analyses.
        token: The lease.
        finished: Outcome of each message.
    """
    if finished:
        arguments = {
            "token": token,
            "message_ids": [item.message_id for item in finished],
            "outcomes": [item.outcome for item in finished],
            "causes": [item.cause for item in finished],
            "audio_ms": [item.audio_ms for item in finished],
            "cpu_ms": [item.cpu_ms for item in finished],
        }
        connection.execute(_FINISH, arguments)
