"""An upgrade through shadow columns can be interrupted anywhere, continued, and rolled back."""

import signal
import subprocess
import sys

import psycopg
import pytest

from migrations import run
from tests.support.app_database import HALF, READ, add_texts, catalogue, contents, make, numbers
from tests.support.shadow_columns import MANY, SWAPPED, begin, in_shadow, outcome, parked


def test_it_can_be_rolled_back_half_way(url):
    make(url, *HALF)
    add_texts(url)
    before = contents(url), catalogue(url)
    begin(url, until=SWAPPED)
    assert parked(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == before
    assert parked(url) == []


def test_an_upgrade_that_began_continues_whatever_the_longest_lock(url):
    make(url, *HALF)
    add_texts(url)
    begin(url)
    done = run.upgrade(url)
    assert any(one.step.what.startswith(SWAPPED) for one in done.done)
    assert numbers(url) == READ


def test_shadows_of_columns_already_retyped_elsewhere_are_dropped(url):
    make(url, *HALF)
    begin(url)
    make(
        url,
        "DROP INDEX IF EXISTS audio_ops_messages_unread_idx",
        "ALTER TABLE messages ALTER audio_duration_ms TYPE integer USING NULL,"
        " ALTER pronunciation_score TYPE integer USING NULL",
    )
    run.upgrade(url)
    run.check(url)
    assert run.upgrade(url) == run.Upgrade((), (), ())
    with psycopg.connect(url) as connection:
        notes = connection.execute("SELECT step FROM audio_ops.adoption_step").fetchall()
    assert not any(note.startswith("shadowed") for (note,) in notes)


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from migrations import run
url, event, wanted, nth = sys.argv[1:]
seen = 0

def kill(connection, cursor, statement, *rest):
    global seen
    seen += wanted in statement
    if wanted in statement and seen == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(sa.Engine, event, kill)
run.upgrade(url, longest_lock_seconds=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "statement", "nth"),
    [
        ("after_cursor_execute", "ENABLE ALWAYS TRIGGER", 1),
        ("before_cursor_execute", "CREATE INDEX CONCURRENTLY audio_ops_messages_unread_idx", 1),
        ("after_cursor_execute", "CREATE INDEX CONCURRENTLY audio_ops_messages_pron", 1),
        ("before_cursor_execute", "SKIP LOCKED", 1),
        ("before_cursor_execute", "SKIP LOCKED", 3),  # the second is committed
        ("after_cursor_execute", "SKIP LOCKED", 2),
        ("after_cursor_execute", "DROP COLUMN audio_duration_ms", 1),
        ("after_cursor_execute", "INSERT INTO audio_ops.adoption_step", 4),
    ],
)
def test_killed_anywhere_it_continues(url, event, statement, nth):
    make(url, *HALF)
    add_texts(url)
    make(url, MANY)
    before = contents(url), catalogue(url)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, event, statement, str(nth)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    in_shadow(url)
    found = numbers(url)
    assert {message_id: found[message_id] for message_id in READ} == READ
    assert found["many1"] == (5200, None)
    assert found["many2"] == (None, 85)
    run.check(url)
    after = outcome(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == before
    run.upgrade(url)
    assert outcome(url) == after


def test_an_interrupted_index_is_rebuilt(url):
    make(url, *HALF)
    add_texts(url)
    begin(url)
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'audio_ops_shadow_texts'"
        ).fetchone() == (1,)
    make(
        url,
        "CREATE INDEX audio_ops_messages_unread_idx ON messages (id)",
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'audio_ops_messages_unread_idx'::regclass",
    )
    in_shadow(url)
    assert numbers(url) == READ
    run.check(url)
