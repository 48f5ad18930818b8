"""Progress of a backfill, counted from its items."""

from collections import Counter

from sqlalchemy import Connection, text

from schema.facts.backfill import BackfillProgress
from schema.states import BackfillOutcome
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS

_COUNT_OPEN = text("""
SELECT count(*) FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome IS NULL
""")
_PROGRESS = text("""
SELECT outcome, cause, count(*) AS messages,
    coalesce(sum(audio_ms), 0) AS audio_ms, coalesce(sum(cpu_ms), 0) AS cpu_ms
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND (:all OR is_canary)
GROUP BY outcome, cause
""")
_SELECTED = text("SELECT selected FROM audio_ops.backfill WHERE id = :backfill_id")


def count_open(connection: Connection, backfill_id: int) -> int:
    """Count the messages still to be analysed, using a partial index."""
    connection.execute(ALLOW_LONG_STATEMENTS)
    return int(connection.execute(_COUNT_OPEN, {"backfill_id": backfill_id}).scalar_one())


def count(connection: Connection, backfill_id: int, *, canary: bool = False) -> BackfillProgress:
    """Count the outcomes of a backfill, or of its first sample.

    Args:
        connection: In a transaction; raises its statement timeout until it ends.
        backfill_id: The backfill.
        canary: Only the first sample.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    arguments = {"backfill_id": backfill_id, "all": not canary}
    rows = connection.execute(_PROGRESS, arguments).all()
    outcomes: Counter[BackfillOutcome] = Counter()
    causes: Counter[str] = Counter()
    for row in rows:
        if row.outcome is not None:
            outcomes[BackfillOutcome(row.outcome)] += row.messages
        if row.cause is not None:
            causes[row.cause] += row.messages
    remaining = sum(row.messages for row in rows)
    selected = connection.execute(_SELECTED, {"backfill_id": backfill_id}).scalar_one()
    if not canary:  # when the app deletes a message, its item is deleted with it
        outcomes[BackfillOutcome.GONE] += selected - remaining
    return BackfillProgress(
        selected=remaining if canary else selected,
        outcomes=+outcomes,
        open=sum(row.messages for row in rows if row.outcome is None),
        causes=causes,
        audio_seconds=sum(int(row.audio_ms) for row in rows) / 1000,
        cpu_seconds=sum(int(row.cpu_ms) for row in rows) / 1000,
    )
