"""The history of legal holds is final, chained, and forgets an erased learner's part."""

import hashlib
import json
import threading
from datetime import UTC
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError, IntegrityError

from schema.states import HoldScope
from schema.tables.app import Conversation, Message
from schema.tables.deletion import HoldEvent, LegalHold
from stores.deletion import erasure, hold_history, holds
from tests.support.sessions import wait_for_a_blocked_session

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture
def place(engine, add_message):
    """Place a hold on a new message, or on another subject; return its id."""

    def _place(subject_id=None, scope=HoldScope.MESSAGE, reason="case 7"):
        subject_id = str(subject_id or add_message())
        with engine.begin() as connection:
            return holds.place(connection, scope, subject_id, reason, "Mori").hold_id

    return _place


@pytest.fixture
def release(engine):
    """Release a hold and commit."""

    def _release(hold_id, by="Sato"):
        with engine.begin() as connection:
            return holds.release(connection, hold_id, by)

    return _release


@pytest.fixture
def stored(engine):
    """Return all rows of a table of the history."""

    def _stored(table=LegalHold):
        with engine.connect() as connection:
            return connection.execute(sa.select(table.__table__).order_by(sa.text("1"))).all()

    return _stored


@pytest.fixture
def verify(engine):
    """Verify the history."""

    def _verify(noted=None):
        with engine.connect() as connection:
            return hold_history.verify(connection, noted)

    return _verify


@pytest.fixture
def forget(engine):
    """Erase a learner's released holds."""

    def _forget(user_id):
        with engine.begin() as connection:
            erasure.begin(connection, user_id, "request 7")
            return holds.forget_released(connection, user_id)

    return _forget


# Final


REWRITINGS = [
    "released_by = 'Mori'",
    "released_by = NULL, released_at = NULL",
    "released_at = now()",
    "released_at = released_at - interval '1 day'",
    "placed_by = 'Sato'",
    "placed_at = placed_at - interval '1 day'",
    "reason = 'another'",
    "scope = 'user'",
    "subject_id = 'another'",
    "user_id = gen_random_uuid()",
    "salt = gen_random_uuid()",
    "subject_id = NULL, reason = NULL",
    "subject_id = NULL, reason = NULL, salt = NULL, user_id = NULL, released_by = 'Mori'",
    "id = DEFAULT",
]


@pytest.mark.parametrize("change", REWRITINGS)
def test_not_even_the_owner_can_rewrite_a_released_hold(
    engine, place, release, stored, verify, change
):
    release(place())
    before = stored()
    with engine.connect() as owner, pytest.raises((DatabaseError, IntegrityError)):
        owner.exec_driver_sql(f"UPDATE audio_ops.legal_hold SET {change}")
    assert stored() == before
    assert verify().broken is None


@pytest.mark.parametrize(
    "change",
    [
        *(change for change in REWRITINGS if "released" not in change),
        "released_at = now()",
        "released_by = 'Mori', reason = 'another'",
        "released_by = 'Mori', placed_at = now()",
    ],
)
def test_an_active_hold_can_only_be_released(engine, place, stored, change):
    place()
    before = stored()
    with engine.connect() as owner, pytest.raises((DatabaseError, IntegrityError)):
        owner.exec_driver_sql(f"UPDATE audio_ops.legal_hold SET {change}")
    assert stored() == before


@pytest.mark.parametrize("table", ["legal_hold", "hold_event"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"])
def test_no_hold_and_no_event_is_ever_removed(engine, place, table, statement):
    place()
    with engine.connect() as owner, pytest.raises(DatabaseError, match="is refused"):
        owner.exec_driver_sql(statement.format(f"audio_ops.{table}"))


def test_no_event_is_ever_changed(engine, place):
    place()
    with engine.connect() as owner, pytest.raises(DatabaseError, match="append-only"):
        owner.exec_driver_sql("UPDATE audio_ops.hold_event SET done_by = 'Sato'")


def test_times_are_the_databases_whatever_the_session_says(engine, add_message, stored):
    with engine.connect() as connection:
        before = connection.scalar(sa.text("SELECT clock_timestamp()"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by, placed_at)"
            " VALUES ('message', 'm', 'case', 'Mori', '2020-01-01')"
        )
        connection.exec_driver_sql(
            "UPDATE audio_ops.legal_hold SET released_by = 'Sato', released_at = '2020-01-01'"
        )
        after = connection.scalar(sa.text("SELECT clock_timestamp()"))
    (hold,) = stored()
    assert before < hold.placed_at < hold.released_at < after


def test_a_hold_is_not_backdated_by_an_old_transaction(engine, add_message, stored):
    message_id = add_message()
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT now(), pg_sleep(0.2)"))
        holds.place(connection, HoldScope.MESSAGE, message_id, "case", "Mori")
        began = connection.scalar(sa.text("SELECT now()"))
    assert (stored()[0].placed_at - began).total_seconds() >= 0.2


def test_no_hold_is_born_released(engine):
    with engine.connect() as owner, pytest.raises(DatabaseError, match="before it is released"):
        owner.exec_driver_sql(
            "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by, released_by,"
            " released_at) VALUES ('message', 'm', 'case', 'Mori', 'Sato', now())"
        )


# Chained


@given(reason=TEXTS, subject_id=TEXTS, placed_by=TEXTS, released_by=TEXTS)
@example("\x01\x1f\x7f\u2028\b\f\n\r\t", '"\\/', "é🎧", "</script>")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgres_and_python_compute_the_same_history_of_any_hold(
    engine, reason, subject_id, placed_by, released_by
):
    row = {"scope": "message", "subject_id": subject_id, "reason": reason, "placed_by": placed_by}
    with engine.begin() as connection:
        hold_id = connection.scalar(sa.insert(LegalHold).values(row).returning(LegalHold.id))
        assert holds.release(connection, hold_id, released_by)
        assert hold_history.verify(connection).broken is None
        connection.rollback()


def test_the_history_can_be_recomputed_from_an_export(place, release, forget, add_user, stored):
    """This uses only the documented format, none of our code."""
    user_id = add_user()
    for hold_id in (place(), place(user_id, HoldScope.USER)):
        release(hold_id)
    forget(user_id)
    previous = bytes(32)
    events = stored(HoldEvent)
    for event in events:
        facts = {
            "done_by": event.done_by,
            "event": event.event,
            "format": 1,
            "hold_id": event.hold_id,
            "occurred_at": event.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")[:-6]
            + "Z",
            "position": event.position,
            "reason_sha256": event.reason_sha256 and event.reason_sha256.hex(),
            "scope": event.scope,
            "subject_sha256": event.subject_sha256 and event.subject_sha256.hex(),
        }
        canonical = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        previous = hashlib.sha256(previous + canonical.encode()).digest()
        assert event.hash == previous
    assert [event.event for event in events] == [
        *("placed", "placed", "released", "released", "forgotten")
    ]


@pytest.fixture
def history(place, release):
    """Two holds, the first of them released."""
    ids = [place(), place()]
    release(ids[0])
    return ids


@pytest.fixture
def tamper(engine):
    """Change the history with its triggers disabled."""

    def _tamper(statement):
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.exec_driver_sql(statement)

    return _tamper


@pytest.mark.parametrize(
    "change",
    [
        *(change for change in REWRITINGS[:11] if "user_id" not in change),  # it is derived
        "subject_id = NULL, reason = NULL, salt = NULL",
    ],
)
def test_a_rewritten_hold_is_found(history, tamper, verify, change):
    tamper(f"UPDATE audio_ops.legal_hold SET {change} WHERE id = {history[0]}")
    assert verify().broken.entry_id == history[0]


@pytest.mark.parametrize(
    "change",
    [
        "done_by = 'Sato'",
        "occurred_at = occurred_at - interval '1 day'",
        "occurred_at = 'infinity'",
        "event = 'released'",
        "scope = 'user'",
        "subject_sha256 = NULL",
        "reason_sha256 = sha256('x')",
        "hold_id = 99",
        "position = 7",
        "hash = ''",
    ],
)
def test_a_rewritten_event_is_found(history, tamper, verify, change):
    tamper(f"UPDATE audio_ops.hold_event SET {change} WHERE position = 2")
    assert verify().broken.position == 2


def test_a_removed_event_or_hold_is_found(history, tamper, verify):
    tamper("DELETE FROM audio_ops.legal_hold WHERE id = 1")
    assert "removed" in verify().broken.problem
    tamper("DELETE FROM audio_ops.hold_event WHERE position = 3")
    assert verify().broken is not None


def test_a_hold_placed_past_the_triggers_is_found(history, tamper, verify):
    tamper(
        "INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)"
        " VALUES ('message', 'm', 'case', 'Mori')"
    )
    assert "does not have it" in verify().broken.problem


def test_a_removed_end_is_found_only_with_a_head_noted_before(history, tamper, verify):
    noted = verify().head
    tamper("DELETE FROM audio_ops.hold_event WHERE position > 1")
    tamper("DELETE FROM audio_ops.legal_hold WHERE id > 1")
    tamper("UPDATE audio_ops.legal_hold SET released_by = NULL, released_at = NULL")
    assert verify().broken is None
    assert verify(noted).broken.position == 2


def test_releases_at_the_same_time_form_one_chain(engine, place, release, verify):
    first, second = place(), place()
    with engine.begin() as connection:
        holds.release(connection, first, "Sato")
        other = threading.Thread(target=release, args=(second,))
        other.start()
        wait_for_a_blocked_session(engine)
    other.join()
    assert (verify().head.position, verify().broken) == (4, None)


# Forgotten


def test_an_erasure_forgets_released_holds_on_all_that_is_the_learners(
    engine, add_user, add_conversation, add_message, place, release, forget, stored, verify
):
    user_id = add_user()
    gone, kept = (add_conversation(user_id=user_id) for _ in range(2))
    gone_message, kept_message = (add_message(conversation_id=id_) for id_ in (gone, kept))
    theirs = [
        place(user_id, HoldScope.USER),
        *(place(id_, HoldScope.CONVERSATION) for id_ in (gone, kept)),
        *(place(id_) for id_ in (gone_message, kept_message)),
    ]
    others = place()
    for hold_id in (*theirs, others):
        release(hold_id)
    with engine.begin() as app:
        app.execute(sa.delete(Message).where(Message.id == gone_message))
        app.execute(sa.delete(Conversation).where(Conversation.id == gone))
    assert forget(user_id) == 5
    assert forget(user_id) == 0
    text = str(stored()[:5]) + str(stored(HoldEvent))
    for personal in (user_id, gone, kept, gone_message, kept_message, "case 7"):
        assert str(personal) not in text
    assert {(hold.placed_by, hold.released_by) for hold in stored()} == {("Mori", "Sato")}
    assert stored()[5].reason == "case 7"
    assert verify().broken is None


def test_active_holds_are_never_forgotten(add_user, place, forget, stored):
    user_id = add_user()
    place(user_id, HoldScope.USER)
    assert forget(user_id) == 0
    assert stored()[0].reason == "case 7"


def test_without_a_tombstone_nothing_is_forgotten(engine, add_user, place, release):
    user_id = add_user()
    release(place(user_id, HoldScope.USER))
    with engine.connect() as connection, pytest.raises(DatabaseError, match="being erased"):
        holds.forget_released(connection, user_id)
    with engine.connect() as connection, pytest.raises(DatabaseError, match="being erased"):
        holds.forget_released(connection, uuid4())


def test_a_forgotten_hold_that_is_known_again_is_found(
    add_user, place, release, forget, tamper, verify
):
    user_id = add_user()
    release(place(user_id, HoldScope.USER))
    forget(user_id)
    tamper(
        "UPDATE audio_ops.legal_hold SET subject_id = 'm', reason = 'r', salt = gen_random_uuid()"
    )
    assert "still known" in verify().broken.problem
