"""Holds, orphans and rights of an earlier version, after the migrations 0013 to 0015."""

import psycopg
import pytest
import sqlalchemy as sa

from migrations import run
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.deletion import hold_history, ledger

EARLIER_HOLDS = """
INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by, placed_at)
VALUES ('message', 'message-0', 'case 7', 'Mori', '2026-01-01'),
    ('conversation', 'gone', 'case 8', 'Mori', '2025-01-01'),
    ('user', 'no UUID', 'case 9', 'Mori', 'infinity');
UPDATE audio_ops.legal_hold SET released_by = 'Sato', released_at = '2025-06-01' WHERE id = 2
"""
EVENTS = "SELECT hold_id, event FROM audio_ops.hold_event ORDER BY position"


@pytest.fixture
def sql(database_url):
    """Run a statement as the owner; return its rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:

        def _sql(statement):
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

        yield _sql


@pytest.fixture
def verify(engine):
    """Verify the history of holds."""

    def _verify():
        with engine.connect() as connection:
            return hold_history.verify(connection)

    return _verify


def test_earlier_holds_enter_the_history_in_the_order_in_which_they_happened(
    database_url, sql, verify, add_message, add_user, add_conversation
):
    user_id = add_user()
    add_message(id="message-0", conversation_id=add_conversation(user_id=user_id))
    run.downgrade(database_url, "0012")
    sql(EARLIER_HOLDS)
    run.upgrade(database_url)
    assert verify().broken is None
    assert sql(EVENTS) == [(2, "placed"), (2, "released"), (1, "placed"), (3, "placed")]
    assert sql("SELECT id, user_id FROM audio_ops.legal_hold ORDER BY id") == [
        *((1, user_id), (2, None), (3, None))
    ]


def test_what_happens_while_downgraded_is_appended_by_the_next_upgrade(
    database_url, sql, verify, add_message
):
    add_message(id="message-0")
    sql(
        "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)"
        " VALUES ('message', 'message-0', 'case 1', 'Mori'), ('message', 'm', 'case 2', 'Mori')"
    )
    before = verify().head
    run.downgrade(database_url, "0014")
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        sql("DELETE FROM audio_ops.parked_hold_event")
    sql("UPDATE audio_ops.legal_hold SET released_by = 'Sato', released_at = now() WHERE id = 1")
    sql(
        "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)"
        " VALUES ('message', 'other', 'case 3', 'Mori')"
    )
    run.upgrade(database_url)
    assert sql(EVENTS) == [(1, "placed"), (2, "placed"), (1, "released"), (3, "placed")]
    assert verify().broken is None
    assert before.position == 2


def test_a_chain_begun_by_the_earlier_version_is_continued(database_url, engine, sql):
    facts = IntendedDeletion("a", None, DeletionReason.ORPHAN)
    for _ in range(2):
        with engine.begin() as connection:
            ledger.intend(connection, [facts])
            ledger.finish(connection, {"a": DeletionState.DELETED})
        run.downgrade(database_url, "0012")
        run.upgrade(database_url)
    with engine.connect() as connection:
        assert ledger.verify(connection).head.position == 2
        assert ledger.verify(connection).broken is None


def test_a_downgrade_queues_what_has_overflowed(database_url, engine, sql, add_message, queue):
    for key in ("one", "shared", "shared"):
        add_message(audio_storage_key=key)
    with engine.begin() as app, engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object"))
        app.execute(sa.text("DELETE FROM messages"))
    run.downgrade(database_url, "0013")
    assert queue() == {"one": None, "shared": None}
    assert sql("SELECT storage_key FROM audio_ops.orphan_object WHERE message_id IS NOT NULL") == [
        ("one",)
    ]


def test_default_privileges_open_neither_chain(database_url, sql):
    """Earlier runs of grants.sql give the flows' role all rights on later tables."""
    run.downgrade(database_url, "0012")
    sql(
        "DROP TABLE audio_ops.parked_hold_event;"
        "DO $$ BEGIN CREATE ROLE kaiwa_audio; EXCEPTION WHEN duplicate_object THEN END $$;"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA audio_ops"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kaiwa_audio"
    )
    run.upgrade(database_url)
    assert sql(
        "SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS p"
        " WHERE has_table_privilege('kaiwa_audio', 'audio_ops.hold_event', p)"
    ) == [("SELECT",)]
