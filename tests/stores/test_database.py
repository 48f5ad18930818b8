import pickle
import traceback
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, StatementError

from policy.instants import FIRST, LAST
from schema.errors.base import InvalidDatabaseUrl, SessionNotUtc
from schema.tables.app import Conversation, Message
from stores import database


def test_sessions_run_in_utc_whatever_the_servers_time_zone(administrator, engine):
    assert administrator.execute("SHOW timezone").fetchone() == ("Asia/Kathmandu",)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW timezone")) == "UTC"


def test_a_pooler_that_drops_the_settings_is_refused(database_url, monkeypatch):
    connect = psycopg.connect

    def forgetful(*arguments, options, **kept):
        return connect(*arguments, **kept)

    monkeypatch.setattr(psycopg, "connect", forgetful)
    engine = database.connect(database_url)
    with pytest.raises(SessionNotUtc, match="Asia/Kathmandu although UTC was requested"):
        engine.connect()


def test_instants_are_stored_in_utc_and_come_back_aware(engine, add_conversation):
    tokyo = datetime.fromisoformat("2025-10-13T21:00:00+09:00")
    conversation_id = add_conversation(started_at=tokyo)
    with engine.connect() as connection:
        stored = connection.scalar(sa.text("SELECT started_at::text FROM conversations"))
        read = connection.scalar(
            sa.select(Conversation.started_at).where(Conversation.id == conversation_id)
        )
    assert stored == "2025-10-13 12:00:00"
    assert read == tokyo
    assert read.tzinfo is UTC


def test_a_naive_instant_is_refused(add_message):
    with pytest.raises(StatementError, match="no time zone"):
        add_message(timestamp=datetime(2025, 10, 13))  # noqa: DTZ001 - naive on purpose


def test_the_databases_own_now_is_utc(engine, add_conversation):
    add_conversation()  # started_at defaults to now()
    with engine.connect() as connection:
        started_at = connection.scalar(sa.select(Conversation.started_at))
        now = connection.scalar(sa.text("SELECT now()"))
    assert timedelta(0) <= now - started_at < timedelta(minutes=1)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgres_url_connects(database_url, scheme):
    engine = database.connect(database_url.replace("postgresql", scheme, 1))
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(Message)) == 0
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "s3cret", "", "postgresql://"])
def test_another_url_is_refused_without_showing_it(url):
    with pytest.raises(InvalidDatabaseUrl) as error:
        database.connect(url)
    assert "s3cret" not in str(error.value)


def test_the_password_shows_neither_in_the_engine_nor_in_its_errors():
    engine = database.connect("postgresql://learner:s3cret@127.0.0.1:1/app")
    with pytest.raises(OperationalError) as error:
        engine.connect()
    assert "s3cret" not in repr(engine) + str(engine.url) + str(error.value)


def test_a_statement_that_runs_too_long_is_ended(database_url):
    engine = database.connect(database_url, statement_timeout=timedelta(milliseconds=50))
    with engine.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(sa.text("SELECT pg_sleep(60)"))
    engine.dispose()


def test_a_connection_lost_while_pooled_is_replaced(administrator, engine):
    with engine.connect() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid


@pytest.mark.parametrize(
    ("time", "read"),
    [
        ("infinity", LAST),
        ("10000-01-01", LAST),
        ("294276-12-31", LAST),
        ("-infinity", FIRST),
        ("0044-03-15 BC", FIRST),
        ("9999-12-31 23:59:59.999999", LAST),
        ("0001-01-01", FIRST),
        ("2025-10-13 12:00:00.5", datetime(2025, 10, 13, 12, 0, 0, 500_000, UTC)),
    ],
)
def test_a_time_of_any_size_can_be_read(engine, time, read):
    query = sa.text(
        "SELECT CAST(:time AS timestamp), CAST(:time AS timestamptz), CAST(:time AS date)"
    )
    with engine.connect() as connection:
        found = connection.execute(query, {"time": time}).one()
    assert tuple(found) == (read.replace(tzinfo=None), read, read.date())


@pytest.mark.parametrize("document", ["[1e400]", "[" * 2000 + "]" * 2000])
def test_a_document_that_cannot_be_parsed_is_read_as_its_text(engine, document):
    with engine.connect() as connection:
        read = connection.execute(sa.text("SELECT CAST(:d AS jsonb)"), {"d": document}).scalar_one()
    assert isinstance(read, str)


def test_an_error_of_the_database_does_not_quote_the_row(engine, add_message):
    said = "my secret"
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE messages ADD CHECK (content <> '{said}')"))
    with pytest.raises(sa.exc.IntegrityError) as refused:
        add_message(content=said)
    shown = "".join(traceback.format_exception(refused.value))
    assert "violates check constraint" in shown
    assert said not in shown
    assert "Failing row" not in shown
    assert said.encode() not in pickle.dumps(refused.value)
    assert refused.value.orig.sqlstate == "23514"
