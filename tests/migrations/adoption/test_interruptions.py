"""Migrations that are killed or cut off are continued by the next run."""

import itertools
import threading
import time

import psycopg
import pytest

from migrations import run
from schema.errors.adoption import LockNotGranted, StepFailed
from tests.support.app_database import (
    HALF,
    HOLDERS,
    READ,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
    numbers,
    transaction,
)
from tests.support.app_states import LOOSE
from tests.support.killing import run_until_killed

DOUBLED = (
    *HALF,
    LOOSE,
    "INSERT INTO message_audio_analysis (message_id, analyzed_at, overall_accuracy_score) VALUES"
    " ('whole', '2025-10-01', 70), ('whole', '2025-10-02', 80), ('clock', '2025-10-01', 60),"
    " ('gone', '2025-10-01', 50)",
)
# Ends the session that changes an object of the app's, in the middle of its transaction.
CRASH = """
CREATE SCHEMA faults;
CREATE FUNCTION faults.crash() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'public') THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    END IF;
END $$;
CREATE EVENT TRIGGER crash ON ddl_command_end EXECUTE FUNCTION faults.crash();
ALTER EVENT TRIGGER crash DISABLE
"""


class Enough(Exception):
    """Ends a run at a chosen step."""


def break_off(command, url, steps):
    """Run a command with crashes; return the step that was interrupted, if any of the first was."""
    begun = itertools.count(1)

    def say(_):
        if next(begun) > steps:
            raise Enough

    make(url, "ALTER EVENT TRIGGER crash ENABLE ALWAYS")
    try:
        getattr(run, command)(url, say=say)
    except StepFailed as failed:
        return failed.step
    except Enough:
        return None
    finally:
        make(url, "ALTER EVENT TRIGGER crash DISABLE")


def break_off_everywhere(command, url, steps):
    """Run a command to its end, interrupting every step and killing its process after each.

    Args:
        command: Its name.
        url: Of the database.
        steps: Number of steps, one of them new, that a run begins before it is killed.
    """
    broken_off, killed = set(), 0
    is_over = False
    while not is_over:
        step = break_off(command, url, steps)
        # An INVALID index had to be dropped first.
        is_over = run_until_killed(command, url, steps + (step in broken_off - {None}))
        broken_off.add(step)
        killed += not is_over
    return len(broken_off - {None}), killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "duration"),
    [((TABLES,), "audio_duration"), (DOUBLED, "audio_duration_ms")],
    ids=["before 0023", "analyses without keys"],
)
def test_broken_off_and_killed_at_every_step_it_ends_well(url, statements, duration):
    make(url, *statements, CRASH)
    add_texts(url, duration)
    before = catalogue(url), contents(url)
    broken_off, killed = break_off_everywhere("upgrade", url, 1)
    assert min(broken_off, killed) >= 5
    run.check(url)
    assert run.upgrade(url) == run.Upgrade((), (), ())
    assert numbers(url) == READ
    for steps in (0, 1, 2):  # before anything, with our own tables gone, with the trigger gone
        assert not run_until_killed("rollback", url, steps)
    broken_off, killed = break_off_everywhere("rollback", url, 3)
    assert broken_off >= 1  # steps that drop are only killed: their command names no schema
    assert killed >= 3
    assert (catalogue(url), contents(url)) == before


@pytest.mark.slow
def test_an_upgrade_after_a_rollback_that_was_killed_ends_well(adopted):
    for steps in (1, 2, 3):
        assert not run_until_killed("rollback", adopted, steps)
        run.upgrade(adopted)
        run.check(adopted)
        assert numbers(adopted) == READ


def test_an_index_whose_build_failed_is_rebuilt(url):
    make(url, *HALF, "DROP INDEX messages_audio_cleanup_idx")
    build = (
        "CREATE INDEX CONCURRENTLY messages_audio_cleanup_idx"
        " ON messages (audio_retention_expires_at, audio_deleted_at)"
    )
    broken_off = pytest.raises(psycopg.errors.QueryCanceled)
    with transaction(url, "UPDATE messages SET content = ''"), broken_off:
        make(url, "SET statement_timeout = 300", build)
    with psycopg.connect(url) as connection:
        query = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"
        found = connection.execute(query, ["messages_audio_cleanup_idx"]).fetchone()
        assert found == (False,)
    found = {finding.name: finding.actual for finding in run.examine(url).drift}
    assert found["messages_audio_cleanup_idx"] == "INVALID"
    run.upgrade(url)
    run.check(url)


def test_lost_connections_are_reported_and_the_next_run_continues(url):
    make(url, *HALF)
    add_texts(url)
    failures = []

    def upgrade():
        try:
            run.upgrade(url)
        except (StepFailed, LockNotGranted) as failed:
            failures.append(failed)

    thread = threading.Thread(target=upgrade)
    cut = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'kaiwa-audio migrations'
            AND EXISTS (SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock')
    """
    with transaction(url, HOLDERS["a reader"]), psycopg.connect(url, autocommit=True) as operator:
        thread.start()
        while operator.execute(cut).fetchone() == (0,):
            time.sleep(0.02)
        thread.join()
    assert failures[0].sqlstate == "57P01"
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ
