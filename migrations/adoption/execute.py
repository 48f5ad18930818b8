"""Carry out steps on a database that is in use: short waits for locks, tried again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from migrations.adoption.step import Step
from schema.errors import LockNotGranted, StepFailed

LOCK_NOT_AVAILABLE = "55P03"
_NOTE = sa.text(
    "INSERT INTO audio_ops.adoption_step (step) VALUES (:step) ON CONFLICT (step) DO NOTHING"
)
_FORGET = sa.text("DELETE FROM audio_ops.adoption_step WHERE step = :step")
# Whoever waits for a lock makes others wait behind it: so the waits are short. The holders are
# asked for when it is over; Postgres does not remember who they were.
_HOLDERS = sa.text("""
SELECT DISTINCT l.pid, a.usename AS role, a.application_name AS application, a.state,
    CAST(extract(epoch FROM clock_timestamp() - a.xact_start) AS integer) AS seconds
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.relation = to_regclass(:table) AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY seconds DESC NULLS LAST
""")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for locks."""

    attempts: int = 20
    pause_seconds: float = 3.0  # in which the app's statements go through


def carry_out(
    engine: sa.Engine, step: Step, patience: Patience, say: Callable[[str], None]
) -> float:
    """Carry out one step; return the seconds it took, without the waiting for its lock.

    Args:
        engine: Of connections with a short `lock_timeout`.
        step: What to do.
        patience: How often to try, if its lock is not granted.
        say: Is told who holds the lock.

    Raises:
        LockNotGranted: If it was never granted.
        StepFailed: If Postgres refuses it. Nothing of the step is done then.
    """
    for attempt in range(1, patience.attempts + 1):
        started = time.monotonic()
        try:
            _run(engine, step)
        except OperationalError as error:
            if _sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            holders = _holders(engine, step.table)
            if attempt == patience.attempts:
                raise LockNotGranted(step.what, step.table, holders) from None
            say(f"Waiting for {step.table}: {'; '.join(holders) or 'its lock is free again'}")
            time.sleep(patience.pause_seconds)
        except DBAPIError as error:
            raise StepFailed(step.what, _sqlstate(error), _primary(error)) from None
        else:
            return time.monotonic() - started
    raise AssertionError  # the last attempt returns or raises


def _run(engine: sa.Engine, step: Step) -> None:
    if step.in_batches:
        _run_batches(engine, step)
    elif step.concurrently:
        _run_concurrently(engine, step)
    else:
        with engine.begin() as connection:
            for statement in step.statements:
                connection.execute(sa.text(statement))
            _note(connection, step)
            _forget(connection, step)


def _run_batches(engine: sa.Engine, step: Step) -> None:
    *before, batch = step.statements
    last: str | None = ""
    while last is not None:
        with engine.begin() as connection:
            for statement in before:
                connection.execute(sa.text(statement))
            last = connection.scalar(sa.text(batch), {"after": last})


def _run_concurrently(engine: sa.Engine, step: Step) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _note(connection, step)  # before: a build that breaks off leaves an index, too
        # It waits for transactions that are open, but nobody waits for it.
        connection.execute(sa.text("SET lock_timeout = 0"))
        try:
            for statement in step.statements:
                connection.execute(sa.text(statement))
        finally:
            connection.execute(sa.text("RESET lock_timeout"))
        _forget(connection, step)


def _note(connection: sa.Connection, step: Step) -> None:
    for note in step.notes:
        connection.execute(_NOTE, {"step": note})


def _forget(connection: sa.Connection, step: Step) -> None:
    for note in step.forgets:
        connection.execute(_FORGET, {"step": note})


def _holders(engine: sa.Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        rows = connection.execute(_HOLDERS, {"table": f"public.{table}"}).all()
    return [
        f"pid {row.pid} ({row.role}, {row.application or 'no application name'}, {row.state},"
        f" for {row.seconds or 0} s)"
        for row in rows
    ]


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or "no answer"


def _primary(error: DBAPIError) -> str:
    """Return Postgres' message without its detail, which quotes rows."""
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "message_primary", None) or type(error.orig).__name__
