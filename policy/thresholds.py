"""Threshold crossings with hysteresis: one alert per rise above a threshold."""

from datetime import datetime
from uuid import NAMESPACE_DNS, UUID, uuid5

from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure

# Hysteresis: a measure that fluctuates around its threshold must not alert every day.
REARM_SHARE = 0.95  # of the threshold; after falling below it, the next rise alerts again
_ALERTS = uuid5(NAMESPACE_DNS, "threshold-crossed.costs.kaiwa")


def standing_after(
    before: ThresholdStanding, value: float, *, threshold: float, as_of: datetime
) -> ThresholdStanding:
    """Return a measure's standing after a new reading; a new `crossed_at` means: alert.

    Args:
        before: Standing after the last reading.
        value: The new reading; NaN changes nothing.
        threshold: In the value's unit.
        as_of: Time of the reading, aware. A reading that is not newer than the last one changes
            nothing, so that neither a repeated run nor one for a past day alerts.

    Returns:
        The standing. A measure equal to the threshold is above it; one equal to `REARM_SHARE` of
        it keeps its standing.
    """
    if as_of <= before.as_of:
        return before
    if value >= threshold and not before.above:
        return ThresholdStanding(above=True, as_of=as_of, crossed_at=as_of)
    above = before.above and not value < threshold * REARM_SHARE
    return ThresholdStanding(above=above, as_of=as_of, crossed_at=before.crossed_at)


def alert_id(measure: ThresholdMeasure, before: ThresholdStanding) -> UUID:
    """Return the id of the alert for the crossing that follows `before`.

    It is derived from the previous crossing, so that a run that was killed after its alert and the
    next run, which repeats the alert, use the same id.
    """
    return uuid5(_ALERTS, f"{measure} after {before.crossed_at and before.crossed_at.isoformat()}")
