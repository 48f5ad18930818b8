from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import nan, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.thresholds import REARM_SHARE, alert_id, standing_after
from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure

THRESHOLD = 50.0
REARM = THRESHOLD * REARM_SHARE
DAY = timedelta(days=1)
BEGIN = datetime(2025, 10, 13, 3, 30, tzinfo=UTC)
LOW = ThresholdStanding(above=False, as_of=BEGIN, crossed_at=None)
HIGH = ThresholdStanding(above=True, as_of=BEGIN, crossed_at=BEGIN)
VALUES = st.lists(st.one_of(st.floats(0, 2 * THRESHOLD), st.sampled_from([nan, THRESHOLD, REARM])))


def look(before, value, as_of=BEGIN + DAY):
    return standing_after(before, value, threshold=THRESHOLD, as_of=as_of)


def looks(values):
    """Return a measure's standing day after day, beginning before the first."""
    standings = [LOW]
    for days, value in enumerate(values, start=1):
        standings.append(look(standings[-1], value, BEGIN + days * DAY))
    return standings


def changes(values):
    """Return the alerts and re-arms of a series in order."""
    found = []
    standings = looks(values)
    for before, after in pairwise(standings):
        if after.crossed_at != before.crossed_at:
            found.append("alert")
        elif after.above != before.above:
            found.append("re-arm")
    return found


@pytest.mark.parametrize(
    ("before", "value", "above"),
    [
        (LOW, nextafter(THRESHOLD, 0), False),
        (LOW, THRESHOLD, True),
        (LOW, REARM, False),
        (HIGH, nextafter(THRESHOLD, 0), True),
        (HIGH, REARM, True),
        (HIGH, nextafter(REARM, 0), False),
        (HIGH, 0.0, False),
        (LOW, nan, False),
        (HIGH, nan, True),
    ],
)
def test_both_edges_are_exact(before, value, above):
    assert look(before, value).above is above


def test_a_rise_to_the_threshold_is_noted_with_its_instant():
    assert look(LOW, THRESHOLD) == ThresholdStanding(
        above=True, as_of=BEGIN + DAY, crossed_at=BEGIN + DAY
    )


@pytest.mark.parametrize("before", [LOW, HIGH])
@pytest.mark.parametrize("value", [0.0, THRESHOLD])
@pytest.mark.parametrize("age", [timedelta(0), timedelta(microseconds=1), 400 * DAY])
def test_a_look_at_the_same_instant_or_the_past_changes_nothing(before, value, age):
    assert look(before, value, BEGIN - age) == before


def test_a_threshold_that_is_lowered_below_the_measure_is_crossed():
    assert standing_after(LOW, 40, threshold=30, as_of=BEGIN + DAY).above


@given(VALUES)
def test_alerts_and_rearms_take_turns(values):
    found = changes(values)
    assert found == ["alert", "re-arm"] * (len(found) // 2) + ["alert"] * (len(found) % 2)


@given(VALUES)
def test_a_measure_at_the_threshold_counts_as_above_and_one_well_below_does_not(values):
    for value, standing in zip(values, looks(values)[1:], strict=True):
        assert standing.above or not value >= THRESHOLD
        assert not standing.above or not value < REARM


@given(VALUES)
def test_without_a_value_at_the_threshold_nothing_alerts(values):
    assert "alert" not in changes([value for value in values if not value >= THRESHOLD])


@given(st.lists(st.floats(REARM, 2 * THRESHOLD)))
def test_a_measure_that_flutters_above_the_lower_edge_alerts_once(values):
    assert changes(values).count("alert") <= 1


def test_each_crossing_has_a_unique_id_that_does_not_depend_on_the_run():
    values = [THRESHOLD, 0, THRESHOLD, 0]
    low_before_each = [standing for standing in looks(values) if not standing.above]
    ids = [alert_id(measure, low) for measure in ThresholdMeasure for low in low_before_each]
    assert len(set(ids)) == len(ids) == 6
    later = look(LOW, 1.0)  # a day later, without the killed run's standing
    assert alert_id(ThresholdMeasure.STORED, later) == alert_id(ThresholdMeasure.STORED, LOW)
