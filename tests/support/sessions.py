"""What other database sessions do, for tests of two transactions that meet."""

import sqlalchemy as sa

_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_for_a_blocked_session(engine, count=1):
    """Return once so many sessions of this database wait for a lock."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(_BLOCKED) < count:
            connection.execute(sa.text("SELECT pg_sleep(0.01)"))
