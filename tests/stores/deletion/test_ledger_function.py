"""`audio_ops.finish_deletions`: the chain as Postgres computes it, and who may end an entry."""

import hashlib
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError, IntegrityError

from schema.states import DeletionState
from stores.deletion import ledger
from tests.stores.deletion.conftest import deletion

# Postgres stores neither NUL nor lone surrogates.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INSTANTS = st.one_of(
    st.sampled_from(["infinity", "-infinity", "4713-01-01 00:00 BC", "294276-12-31 23:59:59.9Z"]),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
)
INTEND_ANYTHING = sa.text("""
INSERT INTO audio_ops.deletion_ledger
    (storage_key, key_sha256, reason, message_id, tier, size_bytes, retention_expires_at)
VALUES (:key, sha256(convert_to(:key, 'UTF8')), 'orphan', :message_id, :tier, :size_bytes, :expiry)
""")


@given(
    key=TEXTS,
    message_id=st.none() | TEXTS,
    tier=st.none() | TEXTS,
    error=st.none() | TEXTS,
    size_bytes=st.none() | st.integers(-(2**63), 2**63 - 1),
    expiry=st.none() | INSTANTS,
    state=st.sampled_from([DeletionState.DELETED, DeletionState.WITHDRAWN]),
)
@example("k", "\x01\x1f\x7f\x80\u2028\b\f\n\r\t", 'é🎧"\\/', "</script>", 0, None, "deleted")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgres_and_python_compute_the_same_hash_of_any_entry(
    engine, key, message_id, tier, error, size_bytes, expiry, state
):
    facts = {"message_id": message_id, "tier": tier, "size_bytes": size_bytes, "expiry": expiry}
    with engine.begin() as connection:
        connection.execute(INTEND_ANYTHING, {"key": key, **facts})
        if error is not None:
            ledger.note_failures(connection, {key: error})
        assert ledger.finish(connection, {key: DeletionState(state)}) == 1
        assert ledger.verify(connection).broken is None
        connection.rollback()


def test_the_sessions_settings_do_not_change_the_hash(engine, intend, verify):
    intend("k")
    with engine.begin() as connection:
        for setting in (
            "TimeZone = 'Asia/Kathmandu'",
            "DateStyle = 'German'",
            "bytea_output = 'escape'",
            "extra_float_digits = -15",
            "standard_conforming_strings = off",
            "search_path = pg_temp, public",
        ):
            connection.exec_driver_sql(f"SET LOCAL {setting}")
        connection.exec_driver_sql(
            "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql"
            " RETURN CAST('forged' AS bytea)"
        )
        ledger.finish(connection, {"k": DeletionState.DELETED})
    assert verify().broken is None


def test_a_key_named_twice_or_in_both_lists_ends_once(engine, intend, ledger_rows, verify):
    intend("a", "b")
    a, b = (hashlib.sha256(key).digest() for key in (b"a", b"b"))
    with engine.begin() as connection:
        ended = connection.scalar(
            sa.text("SELECT audio_ops.finish_deletions(:deleted, :withdrawn)"),
            {"deleted": [a, a, None], "withdrawn": [a, b, b, None]},
        )
    assert ended == 2
    assert [entry.state for entry in ledger_rows()] == ["deleted", "withdrawn"]
    assert verify().broken is None


@pytest.mark.parametrize("lists", ["NULL, NULL", "'{}', '{}'", "'{NULL}', NULL"])
def test_without_keys_it_does_nothing(engine, intend, open_intents, lists):
    intend("a")
    with engine.begin() as connection:
        assert connection.scalar(sa.text(f"SELECT audio_ops.finish_deletions({lists})")) == 0
    assert len(open_intents()) == 1


def test_an_intent_states_the_digest_of_its_own_key(engine):
    with engine.connect() as connection, pytest.raises(IntegrityError, match="digest_check"):
        connection.execute(
            sa.text(
                "INSERT INTO audio_ops.deletion_ledger (storage_key, key_sha256, reason)"
                " VALUES ('a', sha256('b'), 'orphan')"
            )
        )


def test_no_intent_is_a_repair(engine):
    with engine.connect() as connection, pytest.raises(IntegrityError, match="reason_check"):
        ledger.intend(connection, [deletion("a", reason="repair")])


@pytest.mark.parametrize("attempts", ["attempts - 1", "attempts + 2", "2147483647", "NULL"])
def test_attempts_are_counted_one_by_one(engine, intend, attempts):
    intend("a")
    with engine.connect() as connection, pytest.raises(DatabaseError, match=r"one by one|not-null"):
        connection.exec_driver_sql(f"UPDATE audio_ops.deletion_ledger SET attempts = {attempts}")
