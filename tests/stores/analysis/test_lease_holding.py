"""Only the holder of a lease renews it and writes."""

import threading
from datetime import timedelta
from uuid import uuid4

import sqlalchemy as sa

from schema.tables.app import Message
from stores.analysis import leases
from tests.stores.analysis.conftest import DAY, MINUTE


def test_renewing_moves_the_end_of_every_message_still_held(engine, claim, add_message, lease):
    kept, lost = add_message(), add_message()
    token = claim().token
    before = lease(kept).leased_until
    with engine.begin() as connection:
        connection.execute(sa.delete(Message).where(Message.id == lost))
        assert leases.renew(connection, token, timedelta(hours=1)) == 1
    assert lease(kept).leased_until > before + timedelta(minutes=50)


def test_a_stranger_renews_nothing(connection, claim, add_message):
    add_message()
    claim()
    assert leases.renew(connection, uuid4(), MINUTE) == 0


def test_the_holder_may_write_until_someone_takes_over(
    connection, engine, claim, add_message, expire
):
    message_id = add_message()
    mine = claim().token
    expire()
    assert leases.lock_held(connection, mine, [message_id]) == {message_id}  # late, but ours
    connection.rollback()
    with engine.begin() as other:
        assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 1
    assert leases.lock_held(connection, mine, [message_id]) == set()
    connection.rollback()
    theirs = claim().token
    assert leases.lock_held(connection, mine, [message_id]) == set()
    assert leases.lock_held(connection, theirs, [message_id]) == {message_id}


def test_a_message_deleted_since_its_claim_is_not_held(connection, engine, claim, add_message):
    kept, deleted = add_message(), add_message()
    token = claim().token
    with engine.begin() as app:
        app.execute(sa.delete(Message).where(Message.id == deleted))
    assert leases.lock_held(connection, token, [kept, deleted]) == {kept}


def test_a_message_that_the_app_set_to_another_state_is_not_held(
    connection, engine, claim, add_message
):
    message_id = add_message()
    token = claim().token
    with engine.begin() as app:
        app.execute(sa.update(Message).values(audio_processing_state="failed"))
    assert leases.lock_held(connection, token, [message_id]) == set()


def test_a_writer_that_waits_for_a_takeover_sees_it(engine, claim, add_message, expire):
    """The takeover is not committed yet: the writer must wait and is then refused."""
    message_id = add_message()
    mine = claim().token
    expire()
    held = []

    def write():
        with engine.begin() as connection:
            held.append(leases.lock_held(connection, mine, [message_id]))

    with engine.begin() as other:
        assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 1
        assert leases.claim(other, languages=["en"], limit=1, owner="other", duration=MINUTE)
        writer = threading.Thread(target=write)
        writer.start()
        _wait_for_a_blocked_session(engine)
    writer.join()
    assert held == [set()]


def test_a_lease_locked_by_its_writer_cannot_be_taken_over(engine, claim, add_message, expire):
    message_id = add_message()
    mine = claim().token
    expire()
    with engine.begin() as writer:
        assert leases.lock_held(writer, mine, [message_id]) == {message_id}
        with engine.begin() as other:
            assert leases.recover_stale(other, limit=10, unleased_age=DAY) == 0


def _wait_for_a_blocked_session(engine):
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            connection.execute(sa.text("SELECT pg_sleep(0.01)"))


def test_deleting_a_message_deletes_its_lease(engine, claim, add_message, lease):
    message_id = add_message()
    claim()
    with engine.begin() as app:
        app.execute(sa.delete(Message))
    assert lease(message_id) is None
