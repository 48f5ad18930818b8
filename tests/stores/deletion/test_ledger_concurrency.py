"""The ledger with concurrent and killed writers."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from schema.states import DeletionState
from stores.database import connect
from stores.deletion import ledger
from tests.stores.deletion.conftest import deletion
from tests.support.sessions import wait_for_a_blocked_session

DELETED = DeletionState.DELETED
SPAWN = multiprocessing.get_context("spawn")


def _finish_pages(url, worker):
    engine = connect(url)
    for page in range(10):
        keys = [f"{worker}/{page}/{number}" for number in range(10)]
        with engine.begin() as connection:
            ledger.intend(connection, [deletion(key) for key in keys])
        with engine.begin() as connection:
            ledger.note_failures(connection, {keys[0]: "SlowDown"})
            ledger.finish(connection, dict.fromkeys(keys, DELETED))
    engine.dispose()


def test_finishers_in_several_processes_keep_one_chain(database_url, verify, ledger_rows):
    with ProcessPoolExecutor(4, mp_context=SPAWN) as processes:
        list(processes.map(_finish_pages, [database_url] * 4, range(4)))
    verified = verify()
    assert (verified.head.position, verified.broken) == (400, None)
    assert len(ledger_rows()) == 400


def test_a_finisher_waits_for_the_one_before_and_follows_it(engine, intend, finish, verify):
    intend("a", "b")
    with engine.begin() as first:
        ledger.finish(first, {"a": DELETED})
        second = threading.Thread(target=finish, args=("b",))
        second.start()
        wait_for_a_blocked_session(engine)
    second.join()
    verified = verify()
    assert (verified.head.position, verified.broken) == (2, None)


def _die(url, moment, reached):
    """Add two intents; wait to be killed before completing them or before the commit."""
    engine = connect(url)
    with engine.begin() as connection:
        ledger.intend(connection, [deletion("a"), deletion("b")])
    with engine.begin() as connection:
        if moment == "finished":
            ledger.finish(connection, {"a": DELETED, "b": DELETED})
        reached.set()
        time.sleep(600)


@pytest.mark.parametrize("moment", ["intended", "finished"])
def test_intents_of_a_killed_process_stay_open_for_the_next(
    database_url, moment, open_intents, finish, verify
):
    reached = SPAWN.Event()
    process = SPAWN.Process(target=_die, args=(database_url, moment, reached))
    process.start()
    assert reached.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert [intent.storage_key for intent in open_intents()] == ["a", "b"]
    assert finish("a", "b") == 2
    assert verify().broken is None
