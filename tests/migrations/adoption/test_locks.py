"""Concurrent writes of the app are neither lost nor part of a deadlock."""

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from migrations import run
from tests.support.app_database import HALF, PEOPLE, TABLES, add_texts, make

WAIT_SECONDS = 60


@pytest.fixture
def app(url):
    """A session of the app that detects its deadlocks at once, before a migration does."""
    with psycopg.connect(url, options="-c deadlock_timeout=10ms") as connection:
        yield connection


@contextmanager
def paused(migrate, url, step, app, statement):
    """Run a migration; when it begins `step`, write in `app`, and wait until that blocks it."""
    has_written = threading.Event()

    def say(what):
        if what.startswith(step):
            app.execute(statement)
            has_written.set()

    migration = threading.Thread(target=migrate, args=(url,), kwargs={"say": say})
    migration.start()
    assert has_written.wait(WAIT_SECONDS)
    _wait_until_blocking(url, app.info.backend_pid)
    try:
        yield
    finally:
        app.rollback()
        migration.join()


def _wait_until_blocking(url, pid):
    query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)))"
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(url, autocommit=True) as observer:
        while observer.execute(query, [pid]).fetchone() == (False,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_write_that_commits_while_a_rollback_parks_columns_is_not_lost(url, app):
    make(url, TABLES, PEOPLE)
    run.upgrade(url)
    make(
        url,
        "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key)"
        " VALUES ('a', 'c1', 'user', 'Hello', 'audio/old.wav')",
    )
    write = "UPDATE messages SET audio_storage_key = 'audio/new.wav'"
    with paused(run.rollback, url, "Undo: added messages: ", app, write):
        app.commit()
    query = "SELECT audio_storage_key FROM audio_ops.parked_columns"
    assert app.execute(query).fetchall() == [("audio/new.wav",)]


def test_filling_nulls_before_not_null_does_not_deadlock_with_the_app(url, app):
    make(url, *HALF)
    add_texts(url)
    make(
        url,
        "ALTER TABLE message_audio_analysis ALTER analysis_version DROP NOT NULL",
        "INSERT INTO message_audio_analysis (message_id, analysis_version)"
        " VALUES ('whole', '1.0'), ('clock', NULL)",
    )
    write = "UPDATE message_audio_analysis SET overall_accuracy_score = 80 WHERE message_id = '{}'"
    step = "Change message_audio_analysis: "
    with paused(run.upgrade, url, step, app, write.format("whole")):
        app.execute(write.format("clock"))
        app.commit()
    query = "SELECT analysis_version, overall_accuracy_score FROM message_audio_analysis"
    assert app.execute(query).fetchall() == [("1.0", 80), ("1.0", 80)]
