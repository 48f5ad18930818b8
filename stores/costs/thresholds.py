"""How measures stood to their thresholds when last looked at: `audio_ops.threshold_state`."""

from sqlalchemy import Connection, text

from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure

# Two first looks at once: the second waits here for the first one's commit.
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
    """Return how a measure stood at the last look, and let nobody else look until the commit.

    One that nobody has looked at yet was below in 1970.
    """
    connection.execute(_BEGIN, {"measure": measure})
    return ThresholdStanding(*connection.execute(_LOCK, {"measure": measure}).one())


def write(connection: Connection, measure: ThresholdMeasure, standing: ThresholdStanding) -> None:
    """Note how a locked measure stands."""
    row = {"above": standing.above, "as_of": standing.as_of, "crossed_at": standing.crossed_at}
    connection.execute(_WRITE, {"measure": measure, **row})
