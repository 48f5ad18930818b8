"""Effects of the new engine: scores before and after, and analyses that break rules."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, text

from schema.facts.backfill import Rescored, RescoredMessage
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS

_RESCORED = text("""
SELECT language, 'accuracy' AS score, accuracy_before AS before, accuracy_after AS after,
    count(*) AS messages
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND (:all OR is_canary)
    AND num_nulls(accuracy_before, accuracy_after) = 0
GROUP BY language, accuracy_before, accuracy_after
UNION ALL
SELECT language, 'fluency', fluency_before, fluency_after, count(*)
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND (:all OR is_canary)
    AND num_nulls(fluency_before, fluency_after) = 0
GROUP BY language, fluency_before, fluency_after
ORDER BY 1, 2, 3, 4
""")
_MOST_CHANGED = text("""
SELECT message_id, accuracy_before, accuracy_after, fluency_before, fluency_after
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND is_canary
    AND num_nulls(accuracy_before, accuracy_after, fluency_before, fluency_after) = 0
ORDER BY abs(accuracy_after - accuracy_before) DESC, id
LIMIT :limit
""")
_BROKEN = text("""
SELECT q.rule, count(DISTINCT i.message_id)
FROM audio_ops.backfill_item AS i
JOIN audio_ops.backfill AS b ON b.id = i.backfill_id
JOIN audio_ops.quarantine AS q ON q.message_id = i.message_id
WHERE i.backfill_id = :backfill_id AND i.outcome = 'analyzed' AND (:all OR i.is_canary)
    AND q.rule = ANY(:rules) AND q.released_at IS NULL AND q.quarantined_at >= b.created_at
GROUP BY q.rule
""")

_LOST_ACCURACIES = text("""
SELECT count(*) FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND is_canary
    AND accuracy_before IS NOT NULL AND accuracy_after IS NULL
""")


def rescored(connection: Connection, backfill_id: int, *, canary: bool = False) -> list[Rescored]:
    """Count pairs of scores before and after; messages that lack either are excluded."""
    connection.execute(ALLOW_LONG_STATEMENTS)
    arguments = {"backfill_id": backfill_id, "all": not canary}
    return [Rescored(**row) for row in connection.execute(_RESCORED, arguments).mappings()]


def most_changed(connection: Connection, backfill_id: int, *, limit: int) -> list[RescoredMessage]:
    """Return the messages of the first sample whose accuracy changed most, largest change first."""
    arguments = {"backfill_id": backfill_id, "limit": limit}
    rows = connection.execute(_MOST_CHANGED, arguments).mappings()
    return [RescoredMessage(**row) for row in rows]


def count_lost_accuracies(connection: Connection, backfill_id: int) -> int:
    """Count the messages of the first sample that had an accuracy and now have none."""
    return int(connection.execute(_LOST_ACCURACIES, {"backfill_id": backfill_id}).scalar_one())


def broken_rules(
    connection: Connection, backfill_id: int, rules: Collection[str], *, canary: bool = False
) -> Counter[str]:
    """Count the analyses of a backfill that break one of these rules since it began, by rule."""
    connection.execute(ALLOW_LONG_STATEMENTS)
    arguments = {"backfill_id": backfill_id, "all": not canary, "rules": list(rules)}
    return Counter(dict(connection.execute(_BROKEN, arguments).tuples().all()))
