"""Released messages wait again, with their counters and for their backoff."""

from datetime import timedelta
from uuid import uuid4

from schema.facts.analysis import MessageRetry
from stores.analysis import leases
from tests.stores.analysis.conftest import DAY, MINUTE


def test_released_messages_wait_again_with_their_counters(engine, claim, add_message, state, lease):
    message_id = add_message()
    token = claim().token
    with engine.begin() as connection:
        leases.put_back(connection, token, [MessageRetry(message_id, timedelta(0), 2, 1)])
    token = claim().token
    with engine.begin() as connection:
        assert leases.release(connection, token) == 1
    assert state(message_id) == "uploaded"
    assert lease(message_id).token is None
    (message,) = claim().messages
    assert (message.attempts, message.crashes) == (2, 1)


def test_releasing_leaves_the_messages_of_others(engine, claim, add_message, state):
    add_message()
    mine = claim().token
    theirs = add_message()
    claim()
    with engine.begin() as connection:
        assert leases.release(connection, mine) == 1
    assert state(theirs) == "analyzing"


def test_a_released_message_waits_for_its_backoff(engine, claim, add_message, state):
    paused, ready = add_message(), add_message()
    token = claim().token
    with engine.begin() as connection:
        retries = [
            MessageRetry(paused, timedelta(hours=1), 1, 0),
            MessageRetry(ready, timedelta(0), 3, 2),
        ]
        assert leases.put_back(connection, token, retries) == 2
    assert state(paused) == state(ready) == "uploaded"
    (message,) = claim().messages
    assert message.message_id == ready
    assert (message.attempts, message.crashes) == (3, 2)


def test_a_stale_token_puts_nothing_back(engine, claim, add_message, state, expire):
    message_id = add_message()
    mine = claim().token
    expire()
    with engine.begin() as connection:
        leases.recover_stale(connection, limit=10, unleased_age=DAY)
    claim()
    with engine.begin() as connection:
        assert leases.put_back(connection, mine, [MessageRetry(message_id, MINUTE, 1, 0)]) == 0
    assert state(message_id) == "analyzing"


def test_putting_nothing_back_is_fine(connection):
    assert leases.put_back(connection, uuid4(), []) == 0
