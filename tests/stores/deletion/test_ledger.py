import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from schema.facts.deletion import IntendedDeletion, LedgerHead
from schema.states import DeletionReason, DeletionState, UserTier
from schema.tables.deletion import DeletionEntry
from stores.database import connect
from stores.deletion import ledger
from stores.deletion.ledger_chain import entry_hash
from tests.support.sessions import wait_for_a_blocked_session

DELETED, WITHDRAWN = DeletionState.DELETED, DeletionState.WITHDRAWN
SPAWN = multiprocessing.get_context("spawn")


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
    """Finish keys and commit; return how many were open."""

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
    """Walk along the chain."""

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
def entries(engine):
    """Return all rows of the ledger, by id."""

    def _entries():
        with engine.connect() as connection:
            query = sa.select(DeletionEntry.__table__).order_by(DeletionEntry.id)
            return connection.execute(query).all()

    return _entries


@pytest.fixture
def chain(intend, finish):
    """A ledger of ten final entries, in two transactions."""
    for keys in (("a", "b", "c", "d"), ("e", "f", "g", "h", "i", "j")):
        intend(*keys)
        finish(*keys)


@pytest.fixture
def tamper(engine):
    """Change the ledger behind its triggers' back."""

    def _tamper(statement):
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            table = statement.replace("ledger", "audio_ops.deletion_ledger", 1)
            connection.exec_driver_sql(statement if "audio_ops" in statement else table)

    return _tamper


# Intending


def test_an_intent_keeps_every_fact(engine, entries, open_intents, noon):
    facts = {
        "message_id": "m",
        "reason": DeletionReason.ERASURE,
        "tier": UserTier.PREMIUM,
        "size_bytes": 2**40,
        "retention_expires_at": noon,
    }
    with engine.begin() as connection:
        ledger.intend(connection, [deletion("audio/🎧.wav", **facts)])
        began = connection.scalar(sa.func.now())
    (entry,) = entries()
    assert {name: getattr(entry, name) for name in facts} == facts
    assert entry.storage_key == "audio/🎧.wav"
    assert entry.key_sha256 == hashlib.sha256("audio/🎧.wav".encode()).digest()
    assert (entry.state, entry.attempts, entry.intended_at) == ("intended", 0, began)
    (intent,) = open_intents()
    assert (intent.id, intent.storage_key, intent.message_id) == (entry.id, "audio/🎧.wav", "m")
    assert (intent.reason, intent.attempts) == (DeletionReason.ERASURE, 0)


def test_an_object_of_which_little_is_known_can_be_intended(engine, open_intents):
    with engine.begin() as connection:
        ledger.intend(connection, [IntendedDeletion("a", None, DeletionReason.ORPHAN)])
        ledger.intend(connection, [])
    (intent,) = open_intents()
    assert (intent.message_id, intent.reason) == (None, DeletionReason.ORPHAN)


def test_a_key_already_intended_keeps_its_entry_as_it_is(engine, intend, entries):
    intend("a")
    before = entries()
    with engine.begin() as connection:
        again = deletion("a", message_id="other", reason=DeletionReason.ERASURE)
        ledger.intend(connection, [again, deletion("b"), deletion("b")])
    assert entries()[:1] == before
    assert [entry.storage_key for entry in entries()] == ["a", "b"]


def test_sessions_that_intend_the_same_keys_in_other_orders_do_not_deadlock(intend, entries):
    rounds = [[f"{number}/{key}" for key in range(500)] for number in range(10)]
    with ThreadPoolExecutor(2) as sessions:
        for keys in rounds:
            both = [sessions.submit(intend, *order) for order in (keys, keys[::-1])]
            for session in both:
                session.result()
    assert len(entries()) == 5000


def test_open_intents_come_page_by_page_oldest_first(engine, intend, finish):
    intend("a", "b", "c", "d")
    finish("b")
    with engine.connect() as connection:
        first = ledger.open_intents(connection, after_id=0, limit=2)
        second = ledger.open_intents(connection, after_id=first[-1].id, limit=2)
    assert [[intent.storage_key for intent in page] for page in (first, second)] == [
        ["a", "c"],
        ["d"],
    ]


def test_failures_are_counted_on_open_intents_alone(engine, intend, finish, entries):
    intend("a", "b", "done")
    finish("done")
    for error in ("SlowDown", "AccessDenied"):
        with engine.begin() as connection:
            ledger.note_failures(connection, {"a": error, "done": error, "unknown": error})
            ledger.note_failures(connection, {})
    assert [(entry.attempts, entry.last_error) for entry in entries()] == [
        (2, "AccessDenied"),
        (0, None),
        (0, None),
    ]


# Finishing


def test_a_final_entry_forgets_the_key_and_keeps_its_digest(engine, intend, finish, entries):
    intend("a", "b")
    assert finish("a") == 1
    assert finish("b", state=WITHDRAWN) == 1
    deleted, withdrawn = entries()
    assert (deleted.storage_key, deleted.state, deleted.position) == (None, "deleted", 1)
    assert (withdrawn.storage_key, withdrawn.state, withdrawn.position) == (None, "withdrawn", 2)
    assert deleted.key_sha256 == hashlib.sha256(b"a").digest()
    assert deleted.intended_at < deleted.finished_at < withdrawn.finished_at


def test_finishing_again_or_what_was_never_intended_changes_nothing(
    engine, intend, finish, entries, head
):
    intend("a")
    finish("a")
    before = (entries(), head())
    assert finish("a", "b", state=WITHDRAWN) == 0
    assert finish() == 0
    assert (entries(), head()) == before


def test_a_key_may_be_deleted_again_after_it_came_back(intend, finish, verify, open_intents):
    for _ in range(2):
        intend("a")
        assert finish("a") == 1
    assert open_intents() == []
    assert verify().head.position == 2


def test_deleted_and_withdrawn_may_end_together(engine, intend, entries, verify):
    intend("a", "b", "c")
    with engine.begin() as connection:
        assert ledger.finish(connection, {"a": WITHDRAWN, "b": DELETED}) == 2
    assert [entry.state for entry in entries()] == ["withdrawn", "deleted", "intended"]
    assert verify().broken is None


def test_an_empty_ledger_has_a_head_and_verifies(head, verify):
    assert head() == LedgerHead(0, "00" * 32)
    assert verify().broken is None
    assert verify().head == head()


def test_anybody_can_recompute_the_chain_from_an_export(engine, entries, noon):
    """Nothing of ours is used here but the documented form."""
    odd = 'Slow"Down\\\n\t\x01\x7f é 🎧'
    expiry = noon + timedelta(microseconds=120)
    with engine.begin() as connection:
        ledger.intend(connection, [deletion("a", retention_expires_at=expiry, size_bytes=1)])
        ledger.intend(connection, [IntendedDeletion("b", None, DeletionReason.ORPHAN)])
        ledger.note_failures(connection, {"a": odd})
        ledger.finish(connection, {"a": DELETED, "b": DELETED})

    def instant(value):
        return value and value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"

    previous = bytes(32)
    for entry in entries():
        facts = {
            "attempts": entry.attempts,
            "finished_at": instant(entry.finished_at),
            "format": 1,
            "id": entry.id,
            "intended_at": instant(entry.intended_at),
            "key_sha256": entry.key_sha256.hex(),
            "last_error": entry.last_error,
            "message_id": entry.message_id,
            "position": entry.position,
            "reason": entry.reason,
            "retention_expires_at": instant(entry.retention_expires_at),
            "size_bytes": entry.size_bytes,
            "state": entry.state,
            "tier": entry.tier,
        }
        canonical = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        previous = hashlib.sha256(previous + canonical.encode()).digest()
        assert entry.hash == previous


def test_the_chain_verifies_whatever_the_sessions_time_zone(engine, chain, intend, verify):
    intend("k")
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL TimeZone = 'Asia/Tokyo'"))
        assert ledger.finish(connection, {"k": DELETED}) == 1
        assert ledger.verify(connection).broken is None
    assert verify().broken is None


# Several at once, and crashes


def _finish_pages(url, worker):
    engine = connect(url)
    for page in range(10):
        keys = [f"{worker}/{page}/{number}" for number in range(10)]
        with engine.begin() as connection:
            ledger.intend(connection, [deletion(key) for key in keys])
        with engine.begin() as connection:
            ledger.note_failures(connection, {keys[0]: "SlowDown"})
            ledger.finish(connection, dict.fromkeys(keys, DELETED))
    engine.dispose()


def test_finishers_in_several_processes_keep_one_chain(database_url, verify, entries):
    with ProcessPoolExecutor(4, mp_context=SPAWN) as processes:
        list(processes.map(_finish_pages, [database_url] * 4, range(4)))
    verified = verify()
    assert (verified.head.position, verified.broken) == (400, None)
    assert len(entries()) == 400


def test_a_finisher_waits_for_the_one_before_and_follows_it(engine, intend, finish, verify):
    intend("a", "b")
    with engine.begin() as first:
        ledger.finish(first, {"a": DELETED})
        second = threading.Thread(target=finish, args=("b",))
        second.start()
        wait_for_a_blocked_session(engine)
    second.join()
    verified = verify()
    assert (verified.head.position, verified.broken) == (2, None)


def _die(url, moment, reached):
    """Intend two keys; wait to be killed either before finishing them or before the commit."""
    engine = connect(url)
    with engine.begin() as connection:
        ledger.intend(connection, [deletion("a"), deletion("b")])
    with engine.begin() as connection:
        if moment == "finished":
            ledger.finish(connection, {"a": DELETED, "b": DELETED})
        reached.set()
        time.sleep(600)


@pytest.mark.parametrize("moment", ["intended", "finished"])
def test_what_a_killed_process_intended_stays_open_for_the_next(
    database_url, moment, open_intents, finish, verify
):
    reached = SPAWN.Event()
    process = SPAWN.Process(target=_die, args=(database_url, moment, reached))
    process.start()
    assert reached.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert [intent.storage_key for intent in open_intents()] == ["a", "b"]
    assert finish("a", "b") == 2
    assert verify().broken is None


# Append-only


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET reason = 'orphan' WHERE id = 1",
        "UPDATE ledger SET state = 'intended', storage_key = 'a', finished_at = NULL,"
        " position = NULL, hash = NULL WHERE id = 1",
        "UPDATE ledger SET last_error = NULL WHERE id = 1",
        "UPDATE ledger SET id = DEFAULT WHERE id = 1",
        "DELETE FROM ledger WHERE id = 1",
        "DELETE FROM ledger WHERE state = 'intended'",
        "TRUNCATE ledger",
        "TRUNCATE ledger CASCADE",
        "INSERT INTO ledger OVERRIDING SYSTEM VALUE"
        " SELECT * FROM audio_ops.deletion_ledger WHERE id = 1"
        " ON CONFLICT (id) DO UPDATE SET reason = 'orphan'",
        "MERGE INTO ledger AS l USING (VALUES (1)) AS v (id) ON l.id = v.id"
        " WHEN MATCHED THEN DELETE",
    ],
)
def test_nobody_changes_or_removes_an_entry_not_even_the_owner(
    engine, chain, intend, entries, statement
):
    intend("open")
    before = entries()
    with engine.connect() as owner, pytest.raises(DatabaseError, match=r"refused|final"):
        owner.execute(sa.text(statement.replace("ledger", "audio_ops.deletion_ledger", 1)))
    assert entries() == before


@pytest.mark.parametrize(
    "change",
    [
        "storage_key = 'audio/u/other.wav'",
        "id = DEFAULT",
        "message_id = NULL",
        "key_sha256 = sha256('x')",
        "reason = 'orphan'",
        "tier = 'free'",
        "size_bytes = 1",
        "retention_expires_at = now()",
        "intended_at = now() - interval '1 day'",
    ],
)
def test_what_an_open_entry_intends_does_not_change(engine, intend, change):
    intend("open")
    with engine.connect() as owner, pytest.raises(DatabaseError, match="does not change"):
        owner.execute(sa.text(f"UPDATE audio_ops.deletion_ledger SET {change}"))


# Tampering


@pytest.mark.parametrize(
    "change",
    [
        "message_id = 'other'",
        "message_id = NULL",
        "key_sha256 = sha256('x')",
        "reason = 'orphan'",
        "tier = 'free'",
        "size_bytes = 1",
        "retention_expires_at = 'infinity'",
        "retention_expires_at = '2025-01-01'",
        "state = 'withdrawn'",
        "intended_at = intended_at + interval '1 microsecond'",
        "attempts = attempts + 1",
        "last_error = ''",
        "finished_at = '-infinity'",
        "finished_at = finished_at - interval '1 day'",
        "id = 1000",
        "hash = sha256('x')",
        "hash = ''",
    ],
)
def test_a_changed_fact_is_found_at_its_entry(chain, tamper, verify, change):
    if change.startswith("id "):
        tamper("ALTER TABLE ledger ALTER COLUMN id SET GENERATED BY DEFAULT")
    tamper(f"UPDATE ledger SET {change} WHERE position = 5")
    verified = verify()
    assert (verified.head.position, verified.broken.position) == (4, 5)
    assert "not what was hashed" in verified.broken.problem


def _hash_anew(engine, tamper, first, last):
    """Forge the hashes of these places so that each fits the entry before it."""
    with engine.connect() as connection:
        rows = connection.execute(ledger._CHAIN).all()
    previous = rows[first - 2].hash
    for row in rows[first - 1 : last]:
        previous = entry_hash(previous, ledger._facts(row))
        tamper(f"UPDATE ledger SET hash = '\\x{previous.hex()}' WHERE position = {row.position}")


def test_an_entry_hashed_anew_is_found_at_the_next(engine, chain, tamper, verify):
    tamper("UPDATE ledger SET size_bytes = 1 WHERE position = 5")
    _hash_anew(engine, tamper, 5, 5)
    assert verify().broken.position == 6


def test_a_chain_written_anew_is_found_only_with_a_head_noted_before(
    engine, chain, tamper, verify, head, intend, finish
):
    noted = head()
    tamper("UPDATE ledger SET size_bytes = 1 WHERE position = 5")
    _hash_anew(engine, tamper, 5, 10)
    intend("k")
    finish("k")
    assert verify().broken is None
    broken = verify(noted).broken
    assert (broken.position, broken.entry_id) == (10, 10)
    assert "written anew" in broken.problem


def test_an_entry_removed_from_the_middle_is_found(chain, tamper, verify):
    tamper("DELETE FROM ledger WHERE position = 5")
    broken = verify().broken
    assert (broken.position, broken.entry_id) == (5, 6)
    assert "removed" in broken.problem


def test_a_removed_beginning_is_found(chain, tamper, verify):
    tamper("DELETE FROM ledger WHERE position = 1")
    assert verify().broken.position == 1


def test_a_gap_closed_by_moving_the_rest_up_is_found(chain, tamper, verify):
    tamper("DELETE FROM ledger WHERE position = 5")
    for position in range(6, 11):
        tamper(f"UPDATE ledger SET position = {position - 1} WHERE position = {position}")
    assert verify().broken.position == 5


def test_entries_that_changed_places_are_found(chain, tamper, verify):
    for before, after in ((5, 99), (6, 5), (99, 6)):
        tamper(f"UPDATE ledger SET position = {after} WHERE position = {before}")
    assert verify().broken.position == 5


def test_two_entries_at_one_place_are_found(chain, tamper, verify):
    tamper("DROP INDEX audio_ops.deletion_ledger_position_idx")
    tamper("UPDATE ledger SET position = 5 WHERE position = 6")
    broken = verify().broken
    assert (broken.position, broken.entry_id) == (6, 6)


def test_a_removed_end_is_found_only_with_a_head_noted_before(chain, tamper, verify, head):
    noted = head()
    tamper("DELETE FROM ledger WHERE position > 7")
    assert verify().broken is None
    broken = verify(noted).broken
    assert (broken.position, broken.entry_id) == (8, None)


def test_a_noted_head_is_still_right_after_the_chain_has_grown(chain, verify, head, intend, finish):
    noted = head()
    assert verify(noted).broken is None
    intend("k")
    finish("k")
    assert verify(noted).broken is None
    assert verify(LedgerHead(0, "00" * 32)).broken is None


def test_a_final_entry_without_place_is_found(chain, tamper, verify):
    tamper("ALTER TABLE ledger DROP CONSTRAINT deletion_ledger_final_check")
    tamper("UPDATE ledger SET position = NULL WHERE position = 10")
    broken = verify().broken
    assert (broken.position, broken.entry_id) == (None, 10)


def test_a_final_entry_opened_again_is_found(chain, tamper, verify):
    tamper("ALTER TABLE ledger DROP CONSTRAINT deletion_ledger_final_check")
    tamper("UPDATE ledger SET state = 'intended' WHERE position = 5")
    assert verify().broken.position == 5


def test_open_intents_are_no_break(chain, intend, verify):
    intend("k")
    assert verify().broken is None


def test_a_chain_longer_than_one_portion_is_walked_to_its_end(chain, tamper, verify, monkeypatch):
    monkeypatch.setattr(ledger, "ENTRIES_AT_ONCE", 3)
    assert verify().head.position == 10
    tamper("UPDATE ledger SET size_bytes = 1 WHERE position = 8")
    assert verify().broken.position == 8
