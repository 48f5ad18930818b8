"""The engine that tasks share within a process."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from tasks.resources import database
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
