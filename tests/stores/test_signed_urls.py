"""Reading live recordings, and writing URLs only to messages that did not change since."""

import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from schema.errors.base import DatabaseRefused
from schema.facts.urls import MessageSpan, ScanPosition
from stores import signed_urls
from stores.analysis import messages

NOON = datetime(2025, 10, 13, 12, tzinfo=UTC)
DAY = timedelta(days=1)
URL = "https://bucket.example.org/audio?X-Amz-Signature=abc"

# Concurrent changes of a message between reading and writing.
CHANGES = {
    "a sweep takes the URL away": "audio_url = NULL, audio_url_expires_at = NULL",
    "a sweep ends": "audio_url = NULL, audio_deleted_at = now()",
    "a hard delete": "audio_url = NULL, audio_storage_key = NULL, audio_deleted_at = now()",
    "a new recording": "audio_storage_key = 'audio/u/c/new.wav'",
    "another URL": "audio_url = 'https://example.org/newer'",
    "a shorter retention": "audio_retention_expires_at = now()",
    "nothing but a new version": "id = id",
}


@pytest.fixture
def run(engine):
    """Run one statement in its own transaction."""

    def _run(statement, **arguments):
        with engine.begin() as connection:
            return connection.execute(sa.text(statement), arguments)

    return _run


@pytest.fixture
def read(engine):
    """Read all live messages, in spans and pages of a given size."""

    def _read(ended_before=NOON, *, rows_per_span=100, limit=100):
        found = []
        with engine.begin() as connection:
            for span in signed_urls.spans(connection, ended_before, rows_per_span=rows_per_span):
                rest = span
                while page := signed_urls.page(connection, rest, limit=limit):
                    found.append([message.message_id for message in page])
                    rest = MessageSpan(page[-1].position, span.last)
        return found

    return _read


@pytest.fixture
def read_one(engine):
    """Read the only live message."""

    def _read_one():
        with engine.begin() as connection:
            (span,) = signed_urls.spans(connection, NOON, rows_per_span=10)
            (message,) = signed_urls.page(connection, span, limit=10)
        return message

    return _read_one


@pytest.fixture
def write(engine):
    """Write one URL; return the number of messages that had not changed since reading."""

    def _write(message, seconds=60):
        with engine.begin() as connection:
            return signed_urls.write(connection, NOON, [(message, URL, seconds)])

    return _write


def flat(pages):
    return [message_id for page in pages for message_id in page]


@pytest.mark.parametrize(("rows_per_span", "limit"), [(1, 1), (2, 1), (3, 2), (4, 4), (100, 100)])
def test_the_walk_meets_every_live_message_once_by_expiry(add_message, read, rows_per_span, limit):
    kept = [add_message(audio_retention_expires_at=None) for _ in range(4)]
    ending = [
        add_message(id=f"ending-{number}", audio_retention_expires_at=NOON + days * DAY)
        for number, days in enumerate((3, 1, 2, 2, 2, 4, 2))
    ]
    pages = read(rows_per_span=rows_per_span, limit=limit)
    by_expiry = [ending[number] for number in (1, 2, 3, 4, 6, 0, 5)]
    assert flat(pages) == kept + by_expiry
    assert max(map(len, pages)) <= limit


def test_spans_are_of_equal_size_and_apart_with_and_without_expiry(add_message, engine):
    kept = [add_message(audio_retention_expires_at=None) for _ in range(3)]
    ending = [add_message(audio_retention_expires_at=NOON + n * DAY) for n in range(5)]
    with engine.begin() as connection:
        spans = signed_urls.spans(connection, NOON, rows_per_span=2)
    assert [span.last.message_id for span in spans] == [kept[1], kept[2], *ending[1::2], ending[4]]


def test_only_live_recordings_are_walked(add_message, read):
    add_message(audio_storage_key=None)
    add_message(audio_deleted_at=NOON, audio_retention_expires_at=NOON + DAY)
    assert read() == []


def test_recordings_due_for_deletion_are_skipped_and_counted(add_message, read, engine):
    tick = timedelta(microseconds=1)
    add_message(audio_retention_expires_at=NOON - tick)
    ending = add_message(audio_retention_expires_at=NOON)
    kept = add_message(audio_retention_expires_at=None)
    assert flat(read()) == [kept, ending]
    with engine.begin() as connection:
        assert signed_urls.count_live(connection, NOON) == (2, 1)
        assert signed_urls.count_live(connection, NOON + tick) == (1, 2)


def test_a_message_is_read_with_all_that_a_signature_needs(add_message, read_one):
    message_id = add_message(
        audio_url=URL, audio_url_expires_at=NOON + DAY, audio_retention_expires_at=NOON + 2 * DAY
    )
    message = read_one()
    assert message.message_id == message_id
    assert message.storage_key == "audio/user/conversation/message-0.wav"
    assert message.url_expires_at == NOON + DAY
    assert message.retention_expires_at == NOON + 2 * DAY
    assert not message.deletion_begun


def test_an_expiry_without_a_url_counts_as_none(add_message, read_one):
    add_message(audio_url=None, audio_url_expires_at=NOON + DAY)
    assert read_one().url_expires_at is None


@pytest.mark.parametrize(("state", "begun"), [("intended", True), ("withdrawn", False)])
def test_an_intended_deletion_is_seen_whichever_message_it_names(
    add_message, read_one, run, state, begun
):
    add_message()
    final = ", now(), 1, '\\x00'" if state == "withdrawn" else ", NULL, NULL, NULL"
    run(
        "INSERT INTO audio_ops.deletion_ledger"
        " (message_id, key_sha256, reason, state, storage_key, finished_at, position, hash)"
        " SELECT 'another of the same key', sha256(convert_to(audio_storage_key, 'UTF8')),"
        f" 'retention', '{state}', {'audio_storage_key' if begun else 'NULL'}{final} FROM messages"
    )
    assert read_one().deletion_begun is begun


def test_the_erasure_of_a_learner_is_seen(add_message, add_conversation, read_one, run):
    add_message(conversation_id=add_conversation())
    add_conversation()  # another learner's
    run(
        "INSERT INTO audio_ops.erased_learner (user_id, reason)"
        " SELECT user_id, 'request' FROM conversations WHERE id NOT IN"
        " (SELECT conversation_id FROM messages)"
    )
    assert not read_one().deletion_begun
    run(
        "INSERT INTO audio_ops.erased_learner (user_id, reason)"
        " SELECT c.user_id, 'request' FROM conversations c JOIN messages ON conversation_id = c.id"
    )
    assert read_one().deletion_begun


def test_a_url_is_written_with_its_end(add_message, read_one, write, engine):
    message_id = add_message()
    assert write(read_one(), seconds=604_800) == 1
    with engine.begin() as connection:
        message = messages.get(connection, message_id)
    assert message.audio_url == URL
    assert message.audio_url_expires_at == NOON + 7 * DAY


def test_nothing_is_written_of_nothing(engine):
    with engine.begin() as connection:
        assert signed_urls.write(connection, NOON, []) == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_message_that_changed_since_it_was_read_is_left_alone(
    add_message, read_one, write, run, change
):
    add_message(audio_url="https://example.org/older", audio_url_expires_at=NOON)
    message = read_one()
    run(f"UPDATE messages SET {change}")
    assert write(message) == 0
    assert run("SELECT audio_url FROM messages").scalar_one() != URL


def test_a_message_that_was_deleted_since_it_was_read_stays_away(add_message, read_one, write, run):
    add_message()
    message = read_one()
    run("DELETE FROM messages")
    assert write(message) == 0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("commits", [True, False])
def test_a_writer_who_waits_for_a_change_looks_again(
    add_message, read_one, write, run, engine, change, commits
):
    add_message()
    message = read_one()
    with ThreadPoolExecutor(1) as thread, engine.connect() as sweep:
        sweep.execute(sa.text(f"UPDATE messages SET {change}"))
        writing = thread.submit(write, message)
        wait_for_a_blocked_writer(engine)
        (sweep.commit if commits else sweep.rollback)()
        assert writing.result() == (0 if commits else 1)
    assert (run("SELECT audio_url FROM messages").scalar_one() == URL) is not commits


def wait_for_a_blocked_writer(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        blocked = sa.text(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
        while not connection.execute(blocked).scalar_one():
            pass


def test_a_refusal_contains_neither_the_url_nor_the_text(add_message, read_one, write, run):
    run("ALTER TABLE messages ADD CONSTRAINT no_urls CHECK (audio_url IS NULL)")
    add_message(content="My secret")
    message = read_one()
    with pytest.raises(DatabaseRefused) as error:
        write(message)
    assert error.value.sqlstate == "23514"
    trace = "".join(traceback.format_exception(error.value))
    assert error.value.__context__ is None
    for secret in ("My secret", URL[:20]):
        assert secret not in trace


def test_active_are_all_conversations_of_learners_and_guests_who_spoke(
    add_message, add_user, add_conversation, engine
):
    active, idle = add_user(), add_user()
    spoke, older = add_conversation(user_id=active), add_conversation(user_id=active)
    silent = add_conversation(user_id=idle)
    guest = add_conversation(user_id=None, guest_id="g1")
    silent_guest = add_conversation(user_id=None, guest_id="g2")
    for conversation in (spoke, guest):
        add_message(conversation_id=conversation, timestamp=NOON)
    for conversation in (older, silent, silent_guest):
        add_message(conversation_id=conversation, timestamp=NOON - timedelta(seconds=1))
    with engine.begin() as connection:
        assert signed_urls.active_conversations(connection, NOON) == {spoke, older, guest}


@pytest.mark.parametrize("expiry", [None, NOON + DAY])
def test_pages_come_from_the_index_in_its_order(add_message, engine, expiry):
    add_message(audio_retention_expires_at=expiry)
    seen = []

    def explain(connection, cursor, statement, parameters, context, executemany):
        if "LIMIT" in statement and not statement.startswith("EXPLAIN"):
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            seen.append("\n".join(plan.scalars()))

    sa.event.listen(engine, "before_cursor_execute", explain)
    span = MessageSpan(ScanPosition(expiry, ""), ScanPosition(expiry, "z"))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        assert len(signed_urls.page(connection, span, limit=5)) == 1
    (plan,) = seen
    assert "Index Scan using audio_ops_messages_expiring_idx on messages" in plan
    assert "Sort" not in plan
