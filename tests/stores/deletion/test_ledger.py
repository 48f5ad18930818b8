"""Intents and completed deletions in the ledger, on real Postgres."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import sqlalchemy as sa

from schema.facts.deletion import IntendedDeletion, LedgerHead
from schema.states import DeletionReason, DeletionState, UserTier
from stores.deletion import ledger
from tests.stores.deletion.conftest import deletion

DELETED, WITHDRAWN = DeletionState.DELETED, DeletionState.WITHDRAWN


# Intents


def test_an_intent_keeps_every_fact(engine, ledger_rows, open_intents, noon):
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
    (entry,) = ledger_rows()
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


def test_a_key_already_intended_keeps_its_entry_as_it_is(engine, intend, ledger_rows):
    intend("a")
    before = ledger_rows()
    with engine.begin() as connection:
        again = deletion("a", message_id="other", reason=DeletionReason.ERASURE)
        ledger.intend(connection, [again, deletion("b"), deletion("b")])
    assert ledger_rows()[:1] == before
    assert [entry.storage_key for entry in ledger_rows()] == ["a", "b"]


def test_sessions_that_intend_the_same_keys_in_other_orders_do_not_deadlock(intend, ledger_rows):
    rounds = [[f"{number}/{key}" for key in range(500)] for number in range(10)]
    with ThreadPoolExecutor(2) as sessions:
        for keys in rounds:
            both = [sessions.submit(intend, *order) for order in (keys, keys[::-1])]
            for session in both:
                session.result()
    assert len(ledger_rows()) == 5000


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


def test_failures_are_counted_on_open_intents_alone(engine, intend, finish, ledger_rows):
    intend("a", "b", "done")
    finish("done")
    for error in ("SlowDown", "AccessDenied"):
        with engine.begin() as connection:
            ledger.note_failures(connection, {"a": error, "done": error, "unknown": error})
            ledger.note_failures(connection, {})
    assert [(entry.attempts, entry.last_error) for entry in ledger_rows()] == [
        (2, "AccessDenied"),
        (0, None),
        (0, None),
    ]


# Completion


def test_a_final_entry_forgets_the_key_and_keeps_its_digest(engine, intend, finish, ledger_rows):
    intend("a", "b")
    assert finish("a") == 1
    assert finish("b", state=WITHDRAWN) == 1
    deleted, withdrawn = ledger_rows()
    assert (deleted.storage_key, deleted.state, deleted.position) == (None, "deleted", 1)
    assert (withdrawn.storage_key, withdrawn.state, withdrawn.position) == (None, "withdrawn", 2)
    assert deleted.key_sha256 == hashlib.sha256(b"a").digest()
    assert deleted.intended_at < deleted.finished_at < withdrawn.finished_at


def test_finishing_again_or_what_was_never_intended_changes_nothing(
    engine, intend, finish, ledger_rows, head
):
    intend("a")
    finish("a")
    before = (ledger_rows(), head())
    assert finish("a", "b", state=WITHDRAWN) == 0
    assert finish() == 0
    assert (ledger_rows(), head()) == before


def test_a_key_may_be_deleted_again_after_it_came_back(intend, finish, verify, open_intents):
    for _ in range(2):
        intend("a")
        assert finish("a") == 1
    assert open_intents() == []
    assert verify().head.position == 2


def test_deleted_and_withdrawn_may_end_together(engine, intend, ledger_rows, verify):
    intend("a", "b", "c")
    with engine.begin() as connection:
        assert ledger.finish(connection, {"a": WITHDRAWN, "b": DELETED}) == 2
    assert [entry.state for entry in ledger_rows()] == ["withdrawn", "deleted", "intended"]
    assert verify().broken is None


def test_an_empty_ledger_has_a_head_and_verifies(head, verify):
    assert head() == LedgerHead(0, "00" * 32)
    assert verify().broken is None
    assert verify().head == head()


def test_the_chain_can_be_recomputed_from_an_export(engine, ledger_rows, noon):
    """This uses only the documented format, none of our code."""
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
    for entry in ledger_rows():
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
