"""State of measures against their thresholds at the last check: `audio_ops.threshold_state`."""

from sqlalchemy import Connection, text

from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure

# Of two concurrent first checks, the second waits here for the first to commit.
_BEGIN = text("""
INSERT INTO audio_ops.threshold_state (measure, above, as_of) VALUES (:measure, false, 'epoch')
ON CONFLICT (measure) DO NOTHING
""")
_LOCK = text("""
SELECT above, as_of, crossed_at FROM audio_ops.threshold_state WHERE measure = :measure FOR UPDATE
""")
_WRITE = text("""
UPDATE audio_ops.threshold_state SET above = :above, as_of = :as_of, crossed_at = :crossed_at
WHERE measure = :measure
""")


def lock(connection: Connection, measure: ThresholdMeasure) -> ThresholdStanding:
    """Lock a measure until the commit; return its state at the last check.

    A measure that was never checked counts as below its threshold in 1970.
    """
    connection.execute(_BEGIN, {"measure": measure})
    return ThresholdStanding(*connection.execute(_LOCK, {"measure": measure}).one())


def write(connection: Connection, measure: ThresholdMeasure, standing: ThresholdStanding) -> None:
    """Store the state of a locked measure."""
    row = {"above": standing.above, "as_of": standing.as_of, "crossed_at": standing.crossed_at}
    connection.execute(_WRITE, {"measure": measure, **row})
