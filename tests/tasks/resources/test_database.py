"""The engine that tasks share within a process."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from schema.errors.base import RunStopped
from stores import database as stored
from tasks.resources import database, stopping
from tasks.resources.process import OnePerProcess

GONE = OperationalError("SELECT", {}, ConnectionError("gone"))


def test_threads_that_ask_at_once_share_one():
    made = []

    @OnePerProcess
    def slow():
        time.sleep(0.05)
        made.append(threading.get_ident())
        return object()

    with ThreadPoolExecutor(8) as threads:
        shared = set(threads.map(lambda _: slow(), range(8)))
    assert len(shared) == len(made) == 1


def test_a_transaction_is_repeated_when_the_database_goes_away(stage):
    attempts = []

    def work(connection):
        attempts.append(1)
        if len(attempts) < 3:
            raise GONE
        return "done"

    assert database.in_transaction(work) == "done"
    assert len(attempts) == 3


def test_patience_with_the_database_ends(stage, monkeypatch):
    monkeypatch.setattr(database, "DATABASE_PATIENCE_SECONDS", 0.0)

    def work(connection):
        raise GONE

    with pytest.raises(OperationalError):
        database.in_transaction(work)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"username": "nobody"}, "authentication failed"),
        ({"password": "wrong"}, "authentication failed"),
        ({"database": "nothing"}, "does not exist"),
    ],
)
def test_a_wrong_login_or_database_fails_at_once(stage, monkeypatch, database_url, wrong, says):
    url = make_url(database_url).set(**wrong)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    database.engine.cache_clear()
    began = time.monotonic()
    with pytest.raises(OperationalError, match=says):
        database.in_transaction(stored.now)
    assert time.monotonic() - began < database.DATABASE_PATIENCE_SECONDS / 4


def test_a_server_that_a_failover_made_read_only_is_left(stage, administrator, database_url):
    name = make_url(database_url).database
    administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.engine().dispose()
    promote = f"ALTER DATABASE {name} RESET ALL"
    threading.Timer(1.0, administrator.execute, [promote]).start()
    write = sa.text("CREATE TABLE written ()")
    database.in_transaction(lambda connection: connection.execute(write) and None)


def test_threads_of_a_stopped_run_begin_no_transaction(stage):
    stopping.request()
    try:
        with ThreadPoolExecutor() as threads, pytest.raises(RunStopped):
            threads.submit(database.in_transaction, stored.now).result()
        assert database.in_transaction(stored.now)  # the main thread cleans up
    finally:
        stopping.begin()


def test_a_thread_that_waits_for_the_database_stops_at_once(stage):
    def work(connection):
        raise GONE

    began = time.monotonic()
    try:
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(database.in_transaction, work)
            time.sleep(1.2)
            stopping.request()
            assert isinstance(waiting.exception(), RunStopped)
    finally:
        stopping.begin()
    assert time.monotonic() - began < 10
