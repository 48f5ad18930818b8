"""Execute steps on a database in use, with short lock timeouts and retries."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from migrations.adoption.step import Step
from schema.errors.adoption import LockNotGranted, StepFailed

Say = Callable[[str], None]

LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"
_NOTE = sa.text(
    "INSERT INTO audio_ops.adoption_step (step) VALUES (:step) ON CONFLICT (step) DO NOTHING"
)
_FORGET = sa.text("DELETE FROM audio_ops.adoption_step WHERE step = :step")
_SESSIONS = """
SELECT a.pid, a.usename AS role, a.application_name AS application, a.state,
    CAST(extract(epoch FROM clock_timestamp() - a.xact_start) AS integer) AS seconds
FROM pg_stat_activity AS a WHERE a.pid {} ORDER BY seconds DESC NULLS LAST
"""
# Other sessions queue behind a waiting lock request, so lock timeouts are short. The holders are
# queried after a timeout, as Postgres does not report them.
_HOLDERS = sa.text(
    _SESSIONS.format("""
    IN (SELECT l.pid FROM pg_locks AS l WHERE l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.relation IN (to_regclass('public.messages'),
            to_regclass('public.message_audio_analysis')))
    """)
)
_BLOCKERS = sa.text(_SESSIONS.format("= ANY(pg_blocking_pids(:pid))"))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for locks."""

    attempts: int = 20
    pause_seconds: float = 3.0  # for the app's queued statements


def carry_out(engine: sa.Engine, step: Step, patience: Patience, say: Say) -> float:
    """Execute one step; return the seconds it took, without waits for its lock.

    Args:
        engine: An engine with a short `lock_timeout`.
        step: The step.
        patience: How often to try if the lock is not granted.
        say: Called with a line that names the holders of the lock.

    Raises:
        LockNotGranted: If the lock was never granted.
        StepFailed: If Postgres rejects the step.
    """
    return patiently(
        engine, step.what, lambda: _run(engine, step, patience, say), patience, say, step.table
    )


def patiently(
    engine: sa.Engine,
    what: str,
    work: Callable[[], None],
    patience: Patience,
    say: Say,
    table: str = "messages",
) -> float:
    """Retry `work` until its lock is granted; return the seconds that the last attempt took.

    Raises:
        LockNotGranted: If the lock was never granted.
        StepFailed: If Postgres rejects it.
    """
    for attempt in range(1, patience.attempts + 1):
        started = time.monotonic()
        try:
            work()
        except DBAPIError as error:
            if _sqlstate(error) not in {LOCK_NOT_AVAILABLE, DEADLOCK}:
                raise StepFailed(what, _sqlstate(error), _primary(error)) from None
        else:
            return time.monotonic() - started
        holders = [_session(row) for row in _query(engine, _HOLDERS)]
        if attempt == patience.attempts:
            raise LockNotGranted(what, table, holders)
        say(f"Waiting for {table}: {'; '.join(holders) or 'its lock is free again'}")
        time.sleep(patience.pause_seconds)
    raise AssertionError  # the last attempt returns or raises


def _run(engine: sa.Engine, step: Step, patience: Patience, say: Say) -> None:
    if step.in_batches:
        _run_batches(engine, step)
    elif step.concurrently:
        _run_concurrently(engine, step, patience, say)
    else:
        with engine.begin() as connection:
            for statement in step.statements:
                _execute(connection, statement)
            _note(connection, step)
            _forget(connection, step)


def _execute(connection: sa.Connection, statement: str) -> None:
    """Execute a statement verbatim: colons and percent signs in it are no parameters."""
    connection.execution_options(no_parameters=True).exec_driver_sql(statement)


def _run_batches(engine: sa.Engine, step: Step) -> None:
    *before, batch = step.statements
    last: str | None = ""
    while last is not None:
        with engine.begin() as connection:
            for statement in before:
                connection.execute(sa.text(statement))
            last = connection.scalar(sa.text(batch), {"after": last})


def _run_concurrently(engine: sa.Engine, step: Step, patience: Patience, say: Say) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # keep the changed setting out of the pool
        _note(connection, step)  # before the build: an interrupted one leaves an index, too
        # It waits for open transactions, but blocks none.
        connection.execute(sa.text("SET lock_timeout = 0"))
        with _watched(engine, connection, patience, say):
            for statement in step.statements:
                _execute(connection, statement)
        _forget(connection, step)


@contextmanager
def _watched(
    engine: sa.Engine, connection: sa.Connection, patience: Patience, say: Say
) -> Iterator[None]:
    """Report the transactions that the connection's statement waits for, while it waits."""
    pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    is_over = threading.Event()

    def watch() -> None:
        reported: set[int] = set()
        while not is_over.wait(patience.pause_seconds):
            try:
                blockers = _query(engine, _BLOCKERS, pid=pid)
            except DBAPIError:
                return  # the statement fails, too, and raises
            pids = {row.pid for row in blockers}
            if pids - reported:
                listed = "; ".join(map(_session, blockers))
                say(
                    f"Waiting for the end of a transaction; the app is not blocked: {listed}."
                    " To end it: SELECT pg_terminate_backend(<pid>)."
                )
            reported = pids

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _note(connection: sa.Connection, step: Step) -> None:
    for note in step.notes:
        connection.execute(_NOTE, {"step": note})


def _forget(connection: sa.Connection, step: Step) -> None:
    for note in step.forgets:
        connection.execute(_FORGET, {"step": note})


def _query(engine: sa.Engine, query: sa.TextClause, **parameters: object) -> Sequence[sa.Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(query, parameters).all()


def _session(row: sa.Row[Any]) -> str:
    """Describe a session as far as this role can see it."""
    facts = [row.role, row.application or "no application name"]
    if row.state is not None:
        facts += [row.state, f"for {row.seconds or 0} s"]
    return f"pid {row.pid} ({', '.join(facts)})"


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or "no answer"


def _primary(error: DBAPIError) -> str:
    """Return Postgres' message without its detail, which quotes rows, or the client's message."""
    diagnosis = getattr(error.orig, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    return primary or str(error.orig).strip().partition("\n")[0]
