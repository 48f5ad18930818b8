"""Output of `kaiwa-audio ledger`."""

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState
from stores.deletion import ledger

pytestmark = pytest.mark.usefixtures("at_database")


@pytest.fixture
def head(engine):
    """Three completed deletions; the head after them, as the command prints it."""
    keys = ("a", "b", "c")
    with engine.begin() as connection:
        ledger.intend(
            connection, [IntendedDeletion(key, None, DeletionReason.ORPHAN) for key in keys]
        )
        ledger.finish(connection, dict.fromkeys(keys, DeletionState.DELETED))
        return str(ledger.head(connection))


@pytest.fixture
def tamper(engine):
    """Change the ledger with its triggers disabled."""

    def _tamper(statement):
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text(statement))

    return _tamper


def verify(*arguments):
    return CliRunner().invoke(app, ["ledger", "verify", *arguments])


def test_an_intact_ledger_shows_its_head_to_be_recorded(head):
    done = verify()
    assert done.exit_code == 0
    assert "intact: 3 completed deletions" in done.output
    assert head in done.output
    assert verify("--head", head).exit_code == 0


def test_an_empty_ledger_is_whole():
    assert verify().exit_code == 0


def test_a_changed_entry_is_named(head, tamper):
    tamper("UPDATE audio_ops.deletion_ledger SET reason = 'erasure' WHERE position = 2")
    done = verify()
    assert done.exit_code == 1
    assert "broken at position 2, entry 2:" in done.output
    assert "Intact up to 1:" in done.output


def test_a_cut_off_end_shows_against_the_noted_head(head, tamper):
    tamper("DELETE FROM audio_ops.deletion_ledger WHERE position = 3")
    assert verify().exit_code == 0
    done = verify("--head", head)
    assert done.exit_code == 1
    assert (
        "at position 3, an entry is missing: the ledger ends before the recorded head"
        in done.output
    )


def test_an_entry_outside_the_chain_is_named(head, tamper):
    table = "audio_ops.deletion_ledger"
    tamper(f"ALTER TABLE {table} DROP CONSTRAINT deletion_ledger_final_check")
    tamper(f"UPDATE {table} SET position = NULL WHERE id = 3")
    done = verify()
    assert done.exit_code == 1
    assert "outside the chain, entry 3" in done.output


@pytest.mark.parametrize("noted", ["3", "3:abc", ":" + "0" * 64, "-1:" + "0" * 64])
def test_an_invalid_head_is_refused(noted):
    done = verify("--head", noted)
    assert done.exit_code == 2
    assert "POSITION:HASH" in done.output
