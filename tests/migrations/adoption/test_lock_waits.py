"""Migrations that wait for a lock name its holder, and continue once it is free."""

import re
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from migrations import locking, run
from migrations.adoption.execute import Patience
from schema.errors.adoption import LockNotGranted
from stores import database
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    HOLDERS,
    READ,
    add_texts,
    contents,
    make,
    numbers,
    transaction,
)
from tests.support.killing import run_all

IMPATIENT = Patience(attempts=2, pause_seconds=0.1)


@pytest.fixture
def hasty(monkeypatch):
    """Short waits for locks."""
    monkeypatch.setattr(locking, "LOCK_TIMEOUT", timedelta(milliseconds=300))


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_session_that_locks_a_table_is_named_and_the_upgrade_continues_once_it_is_free(
    url, hasty, holder
):
    make(url, *HALF)
    add_texts(url)
    messages = []
    with transaction(url, HOLDERS[holder]) as pid:
        with pytest.raises(LockNotGranted) as refused:
            run.upgrade(url, say=messages.append, patience=IMPATIENT)
        assert numbers(url).keys() == READ.keys()
    name = rf"pid {pid} \(postgres, the app, idle in transaction, for \d+ s\)"
    assert re.search(name, str(refused.value))
    assert any(re.search(f"Waiting for messages: {name}", one) for one in messages)
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ


@pytest.mark.parametrize("holder", ["a reader", "a writer"])
def test_a_session_that_locks_a_table_is_named_and_the_rollback_continues_once_it_is_free(
    url, hasty, holder
):
    make(url, *HALF)
    add_texts(url)
    before = contents(url)
    run.upgrade(url)
    with transaction(url, HOLDERS[holder]) as pid, pytest.raises(LockNotGranted) as refused:
        run.rollback(url, patience=IMPATIENT)
    assert f"pid {pid} " in str(refused.value)
    run.rollback(url)
    assert contents(url) == before


def test_the_apps_statements_go_through_between_the_attempts(url, hasty):
    make(url, *HALF)
    add_texts(url)
    patience = Patience(attempts=3, pause_seconds=0.3)
    waits = []
    is_over = threading.Event()

    def go_on():
        with psycopg.connect(url, autocommit=True) as app:
            while not is_over.is_set():
                began = time.monotonic()
                app.execute("UPDATE messages SET content = 'Bye' WHERE id = 'clock'")
                waits.append(time.monotonic() - began)

    app = threading.Thread(target=go_on)
    with transaction(url, HOLDERS["a reader"]):
        app.start()
        with pytest.raises(LockNotGranted):
            run.upgrade(url, patience=patience)
        is_over.set()
        app.join()
    assert len(waits) > 3
    assert max(waits) < 2 * 3 * 0.3 + 1  # never all attempts, on a busy machine


def test_the_transaction_that_an_index_waits_for_is_reported_while_it_waits(url):
    make(url, *ALL_MIGRATIONS)
    messages = []
    patience = Patience(attempts=2, pause_seconds=0.2)
    upgrade = threading.Thread(
        target=run.upgrade, args=(url,), kwargs={"say": messages.append, "patience": patience}
    )
    with transaction(url, "SELECT count(*) FROM users", isolation="REPEATABLE READ") as pid:
        upgrade.start()
        deadline = time.monotonic() + 30
        while not any("the end of a transaction" in one for one in messages):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
    upgrade.join()
    waits = [one for one in messages if "the end of a transaction" in one]
    assert len(waits) == 1
    assert f"pid {pid} (postgres, the app, idle in transaction" in waits[0]
    assert "pg_terminate_backend" in waits[0]
    run.check(url)


@pytest.mark.slow
def test_commands_at_once_take_turns(url):
    make(url, *HALF)
    add_texts(url)
    assert run_all(["upgrade", "rollback", "upgrade", "rollback"], url) == [0, 0, 0, 0]
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ


def test_waiting_for_another_migrator_is_reported(url):
    messages = []
    engine = database.connect(url)
    upgrade = threading.Thread(target=run.upgrade, args=(url,), kwargs={"say": messages.append})
    with locking.exclusively(engine):
        upgrade.start()
        deadline = time.monotonic() + 30
        while not messages:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    upgrade.join()
    engine.dispose()
    assert messages[0] == "Another migrator is at work: waiting for it to finish."
    run.check(url)
