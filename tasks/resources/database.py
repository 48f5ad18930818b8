"""This process's database connections, and transactions that survive a failover."""

import logging
import random
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from settings.environment import DatabaseSettings
from stores import database
from tasks.resources import stopping
from tasks.resources.process import OnePerProcess

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

DATABASE_PATIENCE_SECONDS = 120.0  # a failover takes under a minute
# Refused connections that are not retried. Their SQLSTATE is not known: libpq gives only the text.
FINAL_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied for database",
    "is not permitted to log in",
)
READ_ONLY = "25006"  # the server has become a standby
# Data out of range, constraint violated, refused by a trigger.
SQLSTATE_CLASSES_OF_A_ROW = ("22", "23", "P0")


@OnePerProcess
def engine() -> Engine:
    """Return this process's pool of database connections."""
    return database.connect(DatabaseSettings().database_url.get_secret_value())


def refuses_a_row(error: DBAPIError) -> bool:
    """Return whether the database refused a row, and not the connection, a lock or a right."""
    return (getattr(error.orig, "sqlstate", None) or "").startswith(SQLSTATE_CLASSES_OF_A_ROW)


def once(
    work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs
) -> T:
    """Call `work(connection, ...)` in one transaction; try only once, even in a stopped run."""
    with engine().begin() as connection:
        return work(connection, *arguments, **options)


def in_transaction(
    work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **options: P.kwargs
) -> T:
    """Call `work(connection, ...)` in one transaction; retry while the database is unavailable.

    `work` must be safe to repeat, because the answer to a COMMIT can be lost. The result is then
    that of the retry, which finds the work already done.

    Raises:
        DBAPIError: If the database is unavailable for `DATABASE_PATIENCE_SECONDS`, rejects the user
            or the database's name, or refuses the work.
        RunStopped: If the run was stopped; only the main thread goes on.
    """
    deadline = time.monotonic() + DATABASE_PATIENCE_SECONDS
    delay = 0.5
    while True:
        stopping.raise_if_requested()
        try:
            return once(work, *arguments, **options)
        except DBAPIError as error:
            if not _passes(error) or time.monotonic() + delay > deadline:
                raise
            sqlstate = getattr(error.orig, "sqlstate", None) or "no answer"
            logger.warning(
                "Database: %s (%s); retry in %.1f s", type(error.orig).__name__, sqlstate, delay
            )
            stopping.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries
            delay = min(delay * 2, 10.0)


def _passes(error: DBAPIError) -> bool:
    """Return whether the database may be available again soon."""
    if getattr(error.orig, "sqlstate", None) == READ_ONLY:
        engine().dispose()  # after a failover, new connections reach the new primary
        return True
    # psycopg reports a session that Postgres ended for idling as an internal error.
    if not (isinstance(error, OperationalError) or error.connection_invalidated):
        return False
    return not any(words in str(error.orig) for words in FINAL_REFUSALS)
