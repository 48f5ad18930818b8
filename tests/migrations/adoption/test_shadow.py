"""Shadow columns avoid long locks of `messages`, with the same result."""

import signal
import subprocess
import sys
import threading

import psycopg
import pytest

from migrations import run
from migrations.adoption import shadow
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    READ,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
    numbers,
)

BOTH_NAMES = (*ALL_MIGRATIONS, "ALTER TABLE messages ADD COLUMN audio_duration text")
WITHOUT_INDEX = (*HALF, "DROP INDEX messages_pronunciation_idx")
OTHER_INDEX = (
    *WITHOUT_INDEX,
    "CREATE INDEX messages_pronunciation_idx ON messages (pronunciation_score)",
)
STATES = {
    "before 0023": ((TABLES,), "audio_duration"),
    "after 0023": (HALF, "audio_duration_ms"),
    "all migrations": (ALL_MIGRATIONS, "audio_duration_ms"),
    "both names of the duration": (BOTH_NAMES, "audio_duration"),
    "one is a number already": (
        (*HALF, "ALTER TABLE messages ALTER pronunciation_score TYPE varchar(100)"),
        "audio_duration_ms",
    ),
    "no index on scores": (WITHOUT_INDEX, "audio_duration_ms"),
}
SWAPPED = "Put the numbers in the place of the texts"
MANY = """
INSERT INTO messages (id, conversation_id, role, content, audio_duration_ms, pronunciation_score)
SELECT 'many' || n, 'c1', 'user', 'Hello', (ARRAY['5.2s', '5200', 'n/a'])[1 + mod(n, 3)],
    (ARRAY['85%', NULL])[1 + mod(n, 2)]
FROM generate_series(1, 3500) AS n
"""


def in_shadow(url):
    return run.upgrade(url, longest_lock_seconds=0)


def parked(url):
    query = "SELECT message_id, column_name, value, read_as FROM audio_ops.parked_text ORDER BY 1,2"
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def outcome(url):
    return contents(url), parked(url), catalogue(url)


@pytest.mark.parametrize("state", STATES)
def test_shadow_columns_give_what_a_rewrite_gives(url, state):
    statements, duration = STATES[state]
    make(url, *statements)
    add_texts(url, duration)
    before = contents(url), catalogue(url)
    done = in_shadow(url)
    assert any(one.step.what.startswith(SWAPPED) for one in done.done)
    assert numbers(url) == READ
    run.check(url)
    assert run.upgrade(url, longest_lock_seconds=0) == run.Upgrade((), (), ())
    after = outcome(url)
    run.rollback(url)
    assert (contents(url), catalogue(url)) == before
    run.upgrade(url)
    assert outcome(url) == after


def test_a_small_table_is_rewritten(url):
    make(url, *HALF)
    assert not any("audio_ops_" in step.what for step in run.preview(url).steps[:1])
    by_shadow = run.preview(url, longest_lock_seconds=0).steps
    assert by_shadow[0].what.startswith("Add to messages: audio_ops_audio_duration_ms")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX scores ON messages (pronunciation_score)",
        "ALTER TABLE messages ALTER pronunciation_score SET DEFAULT '0'",
    ],
)
def test_a_column_that_something_else_needs_is_not_replaced(url, statement):
    make(url, *HALF, statement)
    steps = run.preview(url, longest_lock_seconds=0).steps
    assert steps[0].what.startswith("Change messages: audio_duration_ms text")


def test_retyping_another_column_needs_only_one_rewrite(url):
    make(url, *HALF, "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint")
    assert run.preview(url, longest_lock_seconds=0).steps[0].what.startswith("Change messages")


def test_an_index_of_another_definition_is_built_as_documented(url):
    make(url, *OTHER_INDEX)
    add_texts(url)
    in_shadow(url)
    run.check(url)
    assert numbers(url) == READ


def test_rights_on_the_columns_stay(url, administrator):
    administrator.execute("DROP ROLE IF EXISTS score_reader")
    administrator.execute("CREATE ROLE score_reader")
    make(
        url,
        *HALF,
        "GRANT UPDATE (pronunciation_score), SELECT (audio_duration_ms) ON messages"
        " TO score_reader WITH GRANT OPTION",
        "GRANT SELECT (pronunciation_score) ON messages TO PUBLIC",
    )
    rights = """
        SELECT a.attname, CAST(r.grantee AS regrole)::text, r.privilege_type, r.is_grantable
        FROM pg_attribute AS a, aclexplode(a.attacl) AS r
        WHERE a.attrelid = 'messages'::regclass ORDER BY 1, 2, 3
    """
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(rights).fetchall()
        in_shadow(url)
        assert connection.execute(rights).fetchall() == before
        assert len(before) == 3
        connection.execute("DROP OWNED BY score_reader")
    administrator.execute("DROP ROLE score_reader")


# While the app continues


NUMBERS = {"5.2s": 5200, "5200": 5200, "1:05": 65_000, "n/a": None, None: None}
NUMBERS |= {"85%": 85, "85": 85, "0.85": 85, "": None}
TEXTS = [("5.2s", "85%"), ("5200", "85"), (None, None), ("n/a", ""), ("1:05", "0.85")]
PLAIN = [("5200", "85"), (None, None), ("5200", None)]


class App(threading.Thread):
    """Writes continuously and records its last value."""

    def __init__(self, url):
        super().__init__()
        self.url, self.over, self.writing = url, threading.Event(), threading.Lock()
        self.texts, self.errors = TEXTS, []
        self.wrote, self.wrote_before = {}, {}

    def write_only_plain_numbers(self):
        """From now on, write only values that both text and number columns accept."""
        with self.writing:
            self.texts = PLAIN
            self.wrote_before, self.wrote = self.wrote, {}

    def run(self):
        # A prepared statement keeps its types when the columns change theirs.
        with psycopg.connect(self.url, autocommit=True, prepare_threshold=None) as connection:
            turn = 0
            while not self.over.is_set():
                turn += 1
                for message_id in (f"new{turn}", f"new{turn // 2}", f"many{1 + turn % 3500}"):
                    with self.writing:
                        pair = self.texts[turn % len(self.texts)]
                        self.write(connection, message_id, pair)

    def write(self, connection, message_id, pair):
        try:
            connection.execute(
                "INSERT INTO messages (id, conversation_id, role, content, audio_duration_ms,"
                " pronunciation_score) VALUES (%s, 'c1', 'user', 'Hi', %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET audio_duration_ms = excluded.audio_duration_ms,"
                " pronunciation_score = excluded.pronunciation_score",
                [message_id, *pair],
            )
        except psycopg.Error as error:
            self.errors.append(error)
        else:
            self.wrote[message_id] = pair


def test_concurrent_writes_of_the_app_are_neither_refused_nor_lost(url):
    make(url, *HALF)
    add_texts(url)
    make(url, MANY)
    app = App(url)

    def say(what):
        if what.startswith(SWAPPED):
            app.write_only_plain_numbers()

    app.start()
    try:
        run.upgrade(url, longest_lock_seconds=0, say=say)
    finally:
        app.over.set()
        app.join()
    assert not app.errors
    assert len(app.wrote_before) > 100
    wrote = app.wrote_before | app.wrote
    found = numbers(url)
    assert {message_id: found[message_id] for message_id in wrote} == {
        message_id: (NUMBERS[duration], NUMBERS[score])
        for message_id, (duration, score) in wrote.items()
    }
    assert {message_id: found[message_id] for message_id in READ} == READ
    run.rollback(url)
    texts = numbers(url)
    # The same number written after the swap does not mean that the text is lost.
    untouched = app.wrote_before.keys() - app.wrote.keys()
    assert {message_id: texts[message_id] for message_id in untouched} == {
        message_id: app.wrote_before[message_id] for message_id in untouched
    }


def begin(url):
    """Upgrade to the point where the app writes into shadow columns."""

    class Broken(Exception):
        pass

    def say(what):
        if what.startswith("Build the index"):
            raise Broken

    with pytest.raises(Broken):
        run.upgrade(url, longest_lock_seconds=0, say=say)


WRITE = "INSERT INTO messages (id, conversation_id, role, content, pronunciation_score) VALUES "


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE audio_ops.parked_text",
        "DROP SCHEMA audio_ops CASCADE",
        "ALTER TABLE messages DROP COLUMN audio_ops_pronunciation_score",
        "ALTER TABLE messages DISABLE TRIGGER audio_ops_shadow_texts",
        "ALTER TABLE messages DISABLE TRIGGER USER",
    ],
)
def test_the_apps_statements_never_fail_whatever_becomes_of_ours(url, damage):
    make(url, *HALF)
    add_texts(url)
    begin(url)
    make(url, WRITE + "('x1', 'c1', 'user', 'Hi', '85%'), ('x2', 'c1', 'user', 'Hi', '70')")
    make(url, damage)
    make(
        url,
        "UPDATE messages SET pronunciation_score = '86%' WHERE id = 'x1'",
        "UPDATE messages SET pronunciation_score = '71' WHERE id = 'x2'",
        WRITE + "('x3', 'c1', 'user', 'Hi', '87%')",
    )
    in_shadow(url)
    assert [numbers(url)[name][1] for name in ("x1", "x2", "x3")] == [86, 71, 87]
    run.check(url)
    run.rollback(url)
    assert [numbers(url)[name][1] for name in ("x1", "x2", "x3")] == ["86%", "71", "87%"]


def test_a_role_without_any_rights_of_ours_writes_on(url, administrator):
    administrator.execute("DROP ROLE IF EXISTS the_app")
    administrator.execute("CREATE ROLE the_app")
    make(url, *HALF)
    add_texts(url)
    make(url, "GRANT SELECT, INSERT, UPDATE ON messages TO the_app")
    begin(url)
    with psycopg.connect(url, autocommit=True) as app:
        app.execute("SET ROLE the_app")
        app.execute("UPDATE messages SET pronunciation_score = '72' WHERE id = 'seconds'")
        scores = app.execute("SELECT audio_ops_pronunciation_score FROM messages ORDER BY id")
        assert 72 in [row[0] for row in scores]
        app.execute("RESET ROLE")
        app.execute("DROP OWNED BY the_app")
    administrator.execute("DROP ROLE the_app")


# Interruptions


def test_it_can_be_rolled_back_half_way(url):
    make(url, *HALF)
    add_texts(url)
    before = contents(url), catalogue(url)

    class Broken(Exception):
        pass

    def say(what):
        if what.startswith(SWAPPED):
            raise Broken

    with pytest.raises(Broken):
        run.upgrade(url, longest_lock_seconds=0, say=say)
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


def test_batches_take_all_rows_whatever_their_number(url):
    make(url, *HALF)
    add_texts(url)
    make(url, MANY)
    begin(url)
    seen = []
    run.upgrade(url, longest_lock_seconds=0, say=lambda what: seen.append((what, unread(url))))
    left = {what.partition(":")[0]: count for what, count in seen}
    assert left[SWAPPED] == 0
    assert shadow.BATCH_ROWS < 3500


def unread(url):
    query = """
        SELECT count(*) FROM messages AS m WHERE audio_duration_ms IS NOT NULL
            AND audio_ops_audio_duration_ms IS NULL AND NOT EXISTS (
                SELECT FROM audio_ops.parked_text WHERE message_id = m.id
                    AND column_name = 'audio_duration_ms')
    """
    with psycopg.connect(url) as connection:
        try:
            return connection.execute(query).fetchone()[0]
        except psycopg.errors.UndefinedColumn:
            return None
