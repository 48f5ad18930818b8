"""Connections to the app's Postgres."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from schema.errors.base import (
    InvalidDatabaseUrl,
    SessionNotUtc,
    SettingsDropped,
    StartupOptionsRefused,
)
from stores.timestamps import read_every_timestamp

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 10
_OPTIONS_REFUSED = "unsupported startup parameter"  # by a pooler
_ASK = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
_NAMES_OF_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Zulu"})


def connect(
    url: str,
    *,
    application_name: str = "kaiwa-audio",
    statement_timeout: timedelta = timedelta(seconds=60),
    lock_timeout: timedelta = timedelta(seconds=30),
    pool_size: int = 5,
) -> Engine:
    """Return an engine that connects on first use. Its `repr` hides the password.

    Sessions run in UTC regardless of the server's or role's settings, because the app's `timestamp`
    columns hold UTC. Timeouts are needed because Prefect cannot interrupt a blocking call.

    Args:
        url: `postgresql://…` or `postgres://…`, as `DATABASE_URL` holds it.
        application_name: Shown in `pg_stat_activity`.
        statement_timeout: Limit for one statement; zero means none.
        lock_timeout: Limit for waiting on one lock; zero means none.
        pool_size: Connections kept open; up to twice as many under load.

    Raises:
        InvalidDatabaseUrl: If it is not a Postgres URL. Connecting raises `StartupOptionsRefused`,
            `SessionNotUtc` or `SettingsDropped` if a pooler refuses or drops these settings.
    """
    settings: dict[str, object] = {
        "TimeZone": "UTC",
        "search_path": "public",  # the app's tables, regardless of the role's setting
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(lock_timeout),
        # A worker that lost its network must not keep its locks.
        "idle_in_transaction_session_timeout": 300_000,
        # Generic plans look expensive enough for JIT, which then takes longer than the query.
        "jit": "off",
    }
    engine = create_engine(
        _parse(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # errors would quote learners' texts
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=_document,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": application_name,
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,  # ms; detects a lost network while sending, too
        },
    )
    event.listen(engine, "handle_error", _leave_out_rows)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", partial(_check_session, settings))
    event.listen(engine, "connect", _accept_every_timestamp)
    return engine


def _leave_out_rows(context: ExceptionContext) -> None:
    """Cut the server's message to its first line; the details quote rows, texts included.

    They would reach logs with the message, and Prefect's storage with the pickled error.
    """
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].partition("\n")[0], *error.args[1:])
    vars(context.original_exception)["_info"] = None  # where psycopg keeps the details
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.params = None


def _connect(
    dialect: Dialect, _record: object, arguments: tuple[Any, ...], parameters: dict[str, Any]
) -> DBAPIConnection:
    from psycopg import OperationalError

    try:
        return dialect.connect(*arguments, **parameters)
    except OperationalError as error:
        if _OPTIONS_REFUSED not in str(error):
            raise
    raise StartupOptionsRefused


def _check_session(
    settings: Mapping[str, object], connection: "psycopg.Connection", _record: object
) -> None:
    """Refuse a session without our settings: wrong times, or waits without end.

    Raises:
        SessionNotUtc: If it does not run in UTC.
        SettingsDropped: If a pooler has dropped other settings, and the role does not set them.
    """
    # Asked, not read from what the server reported on connecting: poolers report for it.
    with connection.cursor() as cursor:
        cursor.execute(_ASK, [list(settings)])
        found: dict[str, str] = dict(cursor.fetchall())
        cursor.execute("SELECT pg_backend_pid()")
        [(backend,)] = cursor.fetchall()
    connection.rollback()
    if backend != connection.info.backend_pid:  # a pooler's own number
        # In transaction mode the next statement may reach a session that never saw it prepared.
        connection.prepare_threshold = None
    time_zone = found.pop("TimeZone")
    dropped = [name for name, value in found.items() if value != str(settings[name])]
    if time_zone not in _NAMES_OF_UTC or dropped:
        connection.close()
    if time_zone not in _NAMES_OF_UTC:
        raise SessionNotUtc(time_zone)
    if dropped:
        raise SettingsDropped(tuple(f"{name} = {settings[name]}" for name in dropped))


def _accept_every_timestamp(connection: "psycopg.Connection", _record: object) -> None:
    read_every_timestamp(connection)


def _document(data: str | bytes) -> object:
    """Parse JSON; return JSON that cannot be parsed, such as 1e400, as its text.

    Otherwise one such document would make a whole page of rows unreadable. A text has no
    document's shape, so that readers and data-quality rules treat it as invalid.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data if isinstance(data, str) else bytes(data).decode()


def now(connection: Connection) -> datetime:
    """Return the current time by the database's clock, timezone-aware."""
    return connection.execute(
        select(func.clock_timestamp(type_=DateTime(timezone=True)))
    ).scalar_one()


def _parse(url: str) -> URL:
    """Parse a Postgres URL and set psycopg 3 as the driver."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or not rest:
        raise InvalidDatabaseUrl
    try:
        parsed = make_url(f"postgresql+psycopg://{rest}")
    except (ArgumentError, ValueError):  # its message quotes the URL with the password
        raise InvalidDatabaseUrl from None
    return parsed.set(database=unquote(parsed.database)) if parsed.database else parsed


def _milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))
