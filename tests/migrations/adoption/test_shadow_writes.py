"""The app writes on while its columns have shadows: nothing is refused or lost."""

import threading

import psycopg
import pytest

from migrations import run
from tests.support.app_database import HALF, READ, add_texts, make, numbers
from tests.support.shadow_columns import MANY, SWAPPED, begin, in_shadow

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
