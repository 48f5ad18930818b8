"""The lock that lets only one migrator run at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa

from stores.app_objects import MIGRATION_LOCK

WAIT_SECONDS = 600
LOCK_TIMEOUT = timedelta(seconds=2)  # the app's statements queue behind a waiting migration


@contextmanager
def exclusively(engine: sa.Engine, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the migrators' advisory lock on a separate connection.

    Polls for the lock: a session blocked in `pg_advisory_lock` keeps a snapshot, for which the
    holder's CREATE INDEX CONCURRENTLY would wait forever.

    Args:
        engine: Engine of the database.
        say: Called with a line if another migrator holds the lock.

    Raises:
        TimeoutError: If another migrator holds the lock for ten minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed afterwards, which always releases the lock
        is_reported = False
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK))):
            if time.monotonic() > deadline:
                message = (
                    f"Another migrator has been at work for {WAIT_SECONDS} s: look for "
                    "'kaiwa-audio migrations' in pg_stat_activity, then try again."
                )
                raise TimeoutError(message)
            if not is_reported:
                say("Another migrator is at work: waiting for it to finish.")
                is_reported = True
            time.sleep(0.2)
        yield
