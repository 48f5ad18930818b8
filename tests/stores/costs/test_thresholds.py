import threading
from datetime import UTC, datetime

import pytest

from schema.facts.costs import ThresholdStanding
from schema.states import ThresholdMeasure
from stores.costs import thresholds
from tests.support.sessions import wait_for_a_blocked_session

STORED, TRANSFERRED = ThresholdMeasure
NOON = datetime(2025, 10, 13, 12, tzinfo=UTC)
ABOVE = ThresholdStanding(above=True, as_of=NOON, crossed_at=NOON)


def read(engine, measure):
    with engine.begin() as connection:
        return thresholds.lock(connection, measure)


def test_a_measure_that_was_never_evaluated_counts_as_below(engine):
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = ThresholdStanding(above=False, as_of=epoch, crossed_at=None)
    assert read(engine, STORED) == expected
    assert read(engine, STORED) == expected


def test_the_standing_of_one_measure_does_not_affect_another(engine):
    with engine.begin() as connection:
        thresholds.lock(connection, STORED)
        thresholds.write(connection, STORED, ABOVE)
    assert read(engine, STORED) == ABOVE
    assert not read(engine, TRANSFERRED).above


@pytest.mark.parametrize("known", [False, True])
def test_a_second_look_waits_for_the_first_and_sees_what_it_wrote(engine, known):
    if known:
        read(engine, STORED)
    seen = []
    with engine.connect() as connection:
        transaction = connection.begin()
        thresholds.lock(connection, STORED)
        second = threading.Thread(target=lambda: seen.append(read(engine, STORED)))
        second.start()
        wait_for_a_blocked_session(engine)
        assert not seen
        thresholds.write(connection, STORED, ABOVE)
        transaction.commit()
        second.join(timeout=60)
    assert seen == [ABOVE]
