"""Fixtures: write, read and tamper with the deletion ledger."""

import pytest
import sqlalchemy as sa

from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState
from schema.tables.deletion import DeletionEntry
from stores.deletion import ledger

DELETED = DeletionState.DELETED


def deletion(key, **facts):
    facts = {"message_id": f"message of {key}", "reason": DeletionReason.RETENTION, **facts}
    return IntendedDeletion(key, **facts)


@pytest.fixture
def intend(engine):
    """Intend keys and commit."""

    def _intend(*keys):
        with engine.begin() as connection:
            ledger.intend(connection, [deletion(key) for key in keys])

    return _intend


@pytest.fixture
def finish(engine):
    """Complete the intents of keys and commit; return how many were open."""

    def _finish(*keys, state=DELETED):
        with engine.begin() as connection:
            return ledger.finish(connection, dict.fromkeys(keys, state))

    return _finish


@pytest.fixture
def open_intents(engine):
    """Return all open intents."""

    def _open_intents():
        with engine.connect() as connection:
            return ledger.open_intents(connection, after_id=0, limit=1000)

    return _open_intents


@pytest.fixture
def verify(engine):
    """Verify the chain."""

    def _verify(noted=None):
        with engine.connect() as connection:
            return ledger.verify(connection, noted)

    return _verify


@pytest.fixture
def head(engine):
    """Return the chain's head."""

    def _head():
        with engine.connect() as connection:
            return ledger.head(connection)

    return _head


@pytest.fixture
def ledger_rows(engine):
    """Return all rows of the ledger, by id."""

    def _ledger_rows():
        with engine.connect() as connection:
            query = sa.select(DeletionEntry.__table__).order_by(DeletionEntry.id)
            return connection.execute(query).all()

    return _ledger_rows


@pytest.fixture
def chain(intend, finish):
    """A ledger of ten final ledger_rows, in two transactions."""
    for keys in (("a", "b", "c", "d"), ("e", "f", "g", "h", "i", "j")):
        intend(*keys)
        finish(*keys)


@pytest.fixture
def tamper(engine):
    """Change the ledger with its triggers disabled."""

    def _tamper(statement):
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            table = statement.replace("ledger", "audio_ops.deletion_ledger", 1)
            connection.exec_driver_sql(statement if "audio_ops" in statement else table)

    return _tamper
