"""Measure the deletion ledger: its cost per page of the sweep, and the speed of verification.

The cost per page is measured on an almost empty ledger and on one of 1,000,000 entries: it must
not grow. Verification is compared with only reading the same rows.
`python benchmarks/ledger.py [--smoke] [--json]`
"""

import statistics
import time
from datetime import UTC, datetime

import sqlalchemy as sa

from benchmarks import frame, servers
from local.postgres import PostgresServer
from migrations import run
from schema.facts.deletion import IntendedDeletion
from schema.states import DeletionReason, DeletionState, UserTier
from stores.database import connect
from stores.deletion import ledger

PAGE, PAGES, FILL = 100, 50, 10_000
EXPIRY = datetime(2025, 4, 1, tzinfo=UTC)
ROWS = sa.text("SELECT * FROM audio_ops.deletion_ledger WHERE position > 0 ORDER BY position")


def measure(entries: int) -> frame.Figures:
    """Return the times of pages and of verifying."""
    with servers.postgres() as server:
        engines = {size: _database(server, size) for size in (0, entries)}
        times: dict[int, list[float]] = {size: [] for size in engines}
        for number in range(PAGES):  # in turn, so that variations of the machine affect both
            for size, engine in engines.items():
                times[size].append(_delete(engine, f"page-{number}", PAGE))
        read_seconds = _read(engines[entries])
        verify_seconds = _verify(engines[entries], entries)
        for engine in engines.values():
            engine.dispose()
    small, large = (statistics.median(each) for each in times.values())
    return {
        "ledger_page_ms_empty": small * 1000,
        "ledger_page_ms_1m": large * 1000,
        "ledger_page_ratio_1m_to_empty": large / small,
        "ledger_verify_1m_seconds": verify_seconds,
        "ledger_verify_ratio_to_read": verify_seconds / read_seconds,
    }


def _database(server: PostgresServer, entries: int) -> sa.Engine:
    """Return an engine for a new database whose ledger has so many final entries."""
    name = f"ledger_{entries}"
    administrator = connect(server.url())
    with administrator.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    run.upgrade(server.url(name))
    engine = connect(server.url(name))
    for number in range(entries // FILL):
        _delete(engine, f"fill-{number}", FILL)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return engine


def _delete(engine: sa.Engine, name: str, size: int) -> float:
    """Add and complete intents for new keys as the sweep does; return the seconds."""
    deletions = [
        IntendedDeletion(
            f"audio/learner/conversation/{name}-{number}.wav",
            f"message-{name}-{number}",
            DeletionReason.RETENTION,
            UserTier.FREE,
            240_000,
            EXPIRY,
        )
        for number in range(size)
    ]
    started = time.perf_counter()
    with engine.begin() as connection:
        ledger.intend(connection, deletions)
    with engine.begin() as connection:
        states = {deletion.storage_key: DeletionState.DELETED for deletion in deletions}
        if ledger.finish(connection, states) != size:
            message = "The ledger did not complete all intents."
            raise RuntimeError(message)
    return time.perf_counter() - started


def _read(engine: sa.Engine) -> float:
    """Return the seconds it takes to only read the rows of the chain."""
    started = time.perf_counter()
    with engine.connect() as connection:
        portion = {"yield_per": ledger.ENTRIES_AT_ONCE}
        for _ in connection.execute(ROWS, execution_options=portion):
            pass
    return time.perf_counter() - started


def _verify(engine: sa.Engine, entries: int) -> float:
    started = time.perf_counter()
    with engine.connect() as connection:
        found = ledger.verify(connection)
    elapsed = time.perf_counter() - started
    if found.broken or found.head.position < entries:
        message = f"The ledger does not verify: {found}."
        raise RuntimeError(message)
    return elapsed


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "entries": frame.Size(1_000_000, smoke=FILL, help="entries of the full ledger"),
        },
    )
