"""One migrator at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from stores.app_objects import MIGRATION_LOCK

WAIT_SECONDS = 600


@contextmanager
def exclusively(engine: sa.Engine) -> Iterator[None]:
    """Hold the migrators' advisory lock on a connection of its own.

    The lock is polled for: a session blocked inside `pg_advisory_lock` keeps a snapshot, and the
    holder's CREATE INDEX CONCURRENTLY would wait for that snapshot for ever.

    Raises:
        TimeoutError: If another migrator holds it for ten minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK))):
            if time.monotonic() > deadline:
                message = (
                    f"Another migrator has been at work for {WAIT_SECONDS} s: look for "
                    "'kaiwa-audio migrations' in pg_stat_activity, then try again."
                )
                raise TimeoutError(message)
            time.sleep(0.2)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATION_LOCK)))
