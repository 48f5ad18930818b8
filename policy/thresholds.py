"""When a measure crosses its threshold: one alert when it rises, none while it stays there."""

from datetime import datetime
from uuid import NAMESPACE_DNS, UUID, uuid5

from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure

# A measure that flutters round its threshold must not ring each day.
REARM_SHARE = 0.95  # of the threshold; below it, the next rise alerts again
_ALERTS = uuid5(NAMESPACE_DNS, "threshold-crossed.costs.kaiwa")


def standing_after(
    before: ThresholdStanding, value: float, *, threshold: float, as_of: datetime
) -> ThresholdStanding:
    """Say how a measure stands after another look; a new `crossed_at` means: alert.

    Args:
        before: How it stood at the last look.
        value: What it is; NaN changes nothing.
        threshold: In the value's unit.
        as_of: When it is so, aware. A look at the last look's instant or earlier changes nothing:
            neither a repeated run nor one for a past day may alert.

    Returns:
        At the threshold, a measure is above it; at `REARM_SHARE` of it, it still stands as before.
    """
    if as_of <= before.as_of:
        return before
    if value >= threshold and not before.above:
        return ThresholdStanding(above=True, as_of=as_of, crossed_at=as_of)
    above = before.above and not value < threshold * REARM_SHARE
    return ThresholdStanding(above=above, as_of=as_of, crossed_at=before.crossed_at)


def alert_id(measure: ThresholdMeasure, before: ThresholdStanding) -> UUID:
    """Return the id of the alert of the crossing that follows `before`.

    A crossing is named by the one before it, so that a run that alerted and was killed before it
    could note that, and the next run, which alerts again, give the same id.
    """
    return uuid5(_ALERTS, f"{measure} after {before.crossed_at and before.crossed_at.isoformat()}")
