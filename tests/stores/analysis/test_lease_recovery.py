"""Messages of leases that ended are recovered, once and without counting a failed try."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from stores.analysis import leases
from tests.stores.analysis.conftest import DAY


def test_only_leases_that_ended_are_recovered(engine, claim, add_message, state, expire):
    ended = add_message()
    claim()
    expire()
    running = add_message()
    claim()
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 1
    assert (state(ended), state(running)) == ("uploaded", "analyzing")


def test_recovering_counts_no_failed_try(engine, claim, add_message, expire):
    add_message()
    claim()
    expire()
    with engine.begin() as connection:
        leases.recover_stale(connection, limit=10, unleased_age=DAY)
    (message,) = claim().messages
    assert (message.attempts, message.crashes) == (0, 0)


def test_no_more_than_the_limit_are_recovered_at_once(engine, claim, add_message, expire):
    for _ in range(5):
        add_message()
    claim()
    expire()
    with engine.begin() as connection:
        recovered = [leases.recover_stale(connection, limit=2, unleased_age=DAY) for _ in range(4)]
    assert recovered == [2, 2, 1, 0]


def test_analyzing_without_a_lease_is_recovered_once_old(engine, add_message, state):
    with engine.connect() as connection:
        now = connection.scalar(sa.select(sa.func.now()))
    old = add_message(audio_processing_state="analyzing", timestamp=now - timedelta(hours=25))
    new = add_message(audio_processing_state="analyzing", timestamp=now - timedelta(hours=23))
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 1
    assert (state(old), state(new)) == ("uploaded", "analyzing")


def test_a_tutors_turn_in_analysis_is_left_alone(engine, add_message, state):
    theirs = add_message(
        role="assistant",
        audio_processing_state="analyzing",
        timestamp=datetime(2020, 1, 1, tzinfo=UTC),
    )
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 0
    assert state(theirs) == "analyzing"


def test_a_held_lease_on_an_old_message_is_no_reason_to_recover_it(engine, claim, add_message):
    add_message(timestamp=datetime(2020, 1, 1, tzinfo=UTC))
    claim()
    with engine.begin() as connection:
        assert leases.recover_stale(connection, limit=10, unleased_age=DAY) == 0


def test_recoverers_at_once_recover_each_message_once(engine, claim, add_message, expire):
    for _ in range(50):
        add_message()
    claim(limit=50)
    expire()

    def recover(_):
        with engine.begin() as connection:
            return leases.recover_stale(connection, limit=20, unleased_age=DAY)

    with ThreadPoolExecutor(5) as threads:
        first = list(threads.map(recover, range(5)))
    with engine.begin() as connection:
        rest = leases.recover_stale(connection, limit=50, unleased_age=DAY)
    assert sum(first) + rest == 50
