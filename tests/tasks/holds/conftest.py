"""Fixtures: a bucket that holds a deletion back, and holds placed while it does."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tasks import deletion, holds
from tests.support.sweeping import is_in_bucket

END_SESSIONS = sa.text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state = 'idle in transaction'"
)
IN_FLIGHT_SECONDS = 2.0  # instead of 90


@pytest.fixture
def request_seconds():
    """Instead of 30; enough for a hold to be placed before a deletion is repeated."""
    return 4.0


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch, request_seconds):
    monkeypatch.setattr(deletion, "REQUEST_SECONDS", request_seconds)
    monkeypatch.setattr(holds, "IN_FLIGHT_SECONDS", IN_FLIGHT_SECONDS)


class HeldRequest:
    """A request to delete on its way to the bucket: it waits until it may go on or is dropped."""

    def __init__(self):
        self.arrived, self._decided = threading.Event(), threading.Event()
        self._goes_on = False

    def __call__(self, exchange):
        self.arrived.set()
        assert self._decided.wait(timeout=30)
        if self._goes_on:
            exchange.send(exchange.forward())
        else:
            exchange.reset()

    def go_on(self):
        self._goes_on = True
        self._decided.set()

    def drop(self):
        self._decided.set()


@pytest.fixture
def held_request(faulty_bucket):
    """Hold the next request to delete back, of whatever kind."""
    held = HeldRequest()
    faulty_bucket.on(lambda r: r.operation in {"DeleteObjects", "DeleteObject"}, held, times=1)
    yield held
    held.drop()


@pytest.fixture
def all_held(held_request, faulty_bucket):
    """Hold all further requests to delete back as well."""
    faulty_bucket.on("DeleteObjects", held_request)
    return held_request


@pytest.fixture
def background():
    """Start a function in a thread; returns its future."""
    with ThreadPoolExecutor(4) as threads:
        yield threads.submit


@pytest.fixture
def end_sessions(engine):
    """End the database sessions that wait for the bucket, as a failover does."""

    def _end_sessions():
        with engine.connect() as connection:
            assert connection.scalar(END_SESSIONS) == 1

    return _end_sessions


@pytest.fixture
def place():
    """Place a hold as people do; `meanwhile` happens once it is in force and waits."""

    def _place(scope, subject_id, meanwhile=lambda: None):
        told = []

        def tell(sentence):
            told.append(sentence)
            meanwhile()

        placed, effect = holds.place(scope, str(subject_id), "case 7", "Mori", tell=tell)
        return placed, effect, told

    return _place


def left(keys):
    return sum(is_in_bucket(key) for key in keys)
