"""Connections to the app's Postgres."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Engine,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError

from schema.errors.base import InvalidDatabaseUrl, SessionNotUtc

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
_NAMES_OF_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Zulu"})


def connect(
    url: str,
    *,
    application_name: str = "kaiwa-audio",
    statement_timeout: timedelta = timedelta(seconds=60),
    lock_timeout: timedelta = timedelta(seconds=30),
    pool_size: int = 5,
) -> Engine:
    """Return an engine; nothing is connected yet. Its `repr` hides the password.

    Sessions run in UTC whatever the server's or the role's own setting, because the app's
    `timestamp` columns hold UTC. Timeouts end what would else block a worker for ever: Prefect
    cannot interrupt a waiting call.

    Args:
        url: `postgresql://…` or `postgres://…`, as `DATABASE_URL` holds it.
        application_name: Shown in `pg_stat_activity`.
        statement_timeout: Longest run of one statement; zero: no limit.
        lock_timeout: Longest wait for one lock; zero: no limit.
        pool_size: Connections kept open; twice as many at a peak.

    Raises:
        InvalidDatabaseUrl: If the URL is not one of Postgres. Connecting raises `SessionNotUtc`
            where a pooler drops these settings.
    """
    settings = {
        "timezone": "UTC",
        "search_path": "public",  # the app's tables, whatever the role's own setting
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(lock_timeout),
        # A worker that lost its network must not keep its locks.
        "idle_in_transaction_session_timeout": 300_000,
        # Plans made for any size of page look dear enough to be compiled anew at each of their
        # runs, which takes longer than the run.
        "jit": "off",
    }
    engine = create_engine(
        _parse(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # errors would quote what learners said
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": application_name,
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,  # ms; a vanished network is noticed while sending, too
        },
    )
    event.listen(engine, "connect", _refuse_other_time_zones)
    return engine


def _refuse_other_time_zones(connection: "psycopg.Connection", _record: object) -> None:
    # The server tells it with the connection: nothing is asked.
    time_zone = connection.info.parameter_status("TimeZone")
    if time_zone not in _NAMES_OF_UTC:
        connection.close()
        raise SessionNotUtc(time_zone or "an unknown time zone")


def now(connection: Connection) -> datetime:
    """Return the instant on the database's clock, aware."""
    return connection.execute(
        select(func.clock_timestamp(type_=DateTime(timezone=True)))
    ).scalar_one()


def _parse(url: str) -> URL:
    """Name psycopg 3 as the driver."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or not rest:
        raise InvalidDatabaseUrl
    try:
        parsed = make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):  # they quote it, and it holds a password
        raise InvalidDatabaseUrl from None
    return parsed.set(database=unquote(parsed.database)) if parsed.database else parsed


def _milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))
