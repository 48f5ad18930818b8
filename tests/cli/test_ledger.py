"""Output of `kaiwa-audio ledger`."""

import hashlib
import json

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState, HoldScope
from stores.deletion import hold_history, holds, ledger

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
        "at position 3, the end is missing: the ledger ends before the recorded head" in done.output
    )


def test_an_entry_outside_the_chain_is_named(head, tamper):
    table = "audio_ops.deletion_ledger"
    tamper(f"ALTER TABLE {table} DROP CONSTRAINT deletion_ledger_final_check")
    tamper(f"UPDATE {table} SET position = NULL WHERE id = 3")
    done = verify()
    assert done.exit_code == 1
    assert "outside the chain, entry 3" in done.output


# Legal holds


@pytest.fixture
def hold(engine, add_message):
    """A hold, placed and released; the head of the history afterwards."""
    message_id = add_message()
    with engine.begin() as connection:
        placed = holds.place(connection, HoldScope.MESSAGE, message_id, "case 7", "Mori")
        holds.release(connection, placed.hold_id, "Sato")
        return str(hold_history.head(connection))


def test_an_intact_history_of_holds_shows_its_head(hold):
    done = verify("--holds-head", hold)
    assert done.exit_code == 0
    assert "The history of legal holds is intact: 2 events." in done.output
    assert hold in done.output


def test_a_rewritten_hold_is_named(hold, tamper):
    tamper("UPDATE audio_ops.legal_hold SET released_by = 'Mori'")
    done = verify()
    assert done.exit_code == 1
    assert "The ledger is intact" in done.output
    assert "The history of legal holds is broken outside the chain, hold 1:" in done.output


def test_a_truncated_history_shows_against_its_recorded_head(hold, tamper):
    tamper("TRUNCATE audio_ops.hold_event, audio_ops.legal_hold")
    assert verify().exit_code == 0
    assert verify("--holds-head", hold).exit_code == 1


# Repair


def repair(path, *arguments):
    options = ["--by", "Mori", "--reason", "incident 9", "--evidence", str(path), *arguments]
    return CliRunner().invoke(app, ["ledger", "repair", *options])


@pytest.fixture
def finish_another(engine):
    """Complete one more deletion."""

    def _finish_another(key="d"):
        with engine.begin() as connection:
            ledger.intend(connection, [IntendedDeletion(key, None, DeletionReason.ORPHAN)])
            assert ledger.finish(connection, {key: DeletionState.DELETED}) == 1

    return _finish_another


def test_a_ledger_whose_last_position_is_taken_is_repaired_and_shows_it(
    engine, head, tamper, finish_another, tmp_path, run_sql
):
    tamper("UPDATE audio_ops.deletion_ledger SET position = 9223372036854775807 WHERE id = 2")
    with pytest.raises(sa.exc.DataError, match="out of range"):
        finish_another()
    assert "broken at position 2" in verify().output
    evidence = tmp_path / "damage.jsonl"
    done = repair(evidence)
    assert done.exit_code == 0
    assert "2 entries follow anew behind position 2" in done.output
    finish_another()
    verified = verify()
    assert verified.exit_code == 0
    assert "Repaired at position 2 on " in verified.output
    assert "2 entries follow anew, by Mori: incident 9." in verified.output
    assert "intact: 5 completed deletions" in verified.output
    found = [json.loads(line) for line in evidence.read_bytes().splitlines()]
    assert [(entry["id"], entry["position"]) for entry in found] == [(3, 3), (2, 2**63 - 1)]
    with engine.connect() as connection:
        digest = connection.scalar(
            sa.text(
                "SELECT encode(key_sha256, 'hex') FROM audio_ops.deletion_ledger"
                " WHERE reason = 'repair'"
            )
        )
    assert digest == hashlib.sha256(evidence.read_bytes()).hexdigest()
    with pytest.raises(sa.exc.DatabaseError, match="is final"):  # protected again
        run_sql("UPDATE audio_ops.deletion_ledger SET tier = 'free'")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audio_ops.deletion_ledger SET position = 7 WHERE position = 3",
        "UPDATE audio_ops.deletion_ledger SET position = 0 WHERE position = 2",
        "UPDATE audio_ops.deletion_ledger SET position = -3 WHERE position = 2",
        "UPDATE audio_ops.deletion_ledger SET position = -9223372036854775808 WHERE position = 2",
        "DELETE FROM audio_ops.deletion_ledger WHERE position = 1",
        "UPDATE audio_ops.deletion_ledger SET hash = '' WHERE position = 1",
        "UPDATE audio_ops.deletion_ledger SET reason = 'erasure' WHERE position = 3",
    ],
)
def test_any_damage_is_repaired_and_the_repair_cannot_be_removed(
    head, tamper, finish_another, tmp_path, damage
):
    tamper(damage)
    assert repair(tmp_path / "damage.jsonl").exit_code == 0
    finish_another()
    assert verify().exit_code == 0
    assert verify("--head", head).exit_code == 1  # not the chain of which this was the head
    tamper("DELETE FROM audio_ops.deletion_ledger WHERE reason = 'repair'")
    assert verify().exit_code == 1


def test_a_truncated_ledger_is_repaired_with_the_recorded_head(head, tamper, tmp_path):
    tamper("DELETE FROM audio_ops.deletion_ledger WHERE position = 3")
    assert repair(tmp_path / "damage.jsonl", "--head", head).exit_code == 0
    assert "0 entries follow anew" in verify().output


def test_a_second_repair_follows_the_first(head, tamper, tmp_path):
    for number, position in enumerate((3, 2)):
        tamper(
            f"UPDATE audio_ops.deletion_ledger SET tier = '{number}' WHERE position = {position}"
        )
        assert repair(tmp_path / f"{number}.jsonl").exit_code == 0
    assert verify().output.count("Repaired at position") == 2


def test_an_intact_ledger_is_not_repaired(head, tmp_path):
    done = repair(tmp_path / "damage.jsonl")
    assert done.exit_code == 1
    assert "intact. Nothing was changed" in done.output
    assert not (tmp_path / "damage.jsonl").exists()


def test_evidence_is_never_overwritten(head, tamper, tmp_path):
    tamper("UPDATE audio_ops.deletion_ledger SET tier = 'x' WHERE position = 3")
    (tmp_path / "damage.jsonl").write_text("earlier evidence")
    assert repair(tmp_path / "damage.jsonl").exit_code == 2
    assert verify().exit_code == 1


@pytest.mark.parametrize("noted", ["3", "3:abc", ":" + "0" * 64, "-1:" + "0" * 64])
def test_an_invalid_head_is_refused(noted):
    done = verify("--head", noted)
    assert done.exit_code == 2
    assert "POSITION:HASH" in done.output
