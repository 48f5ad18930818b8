"""Compare the adoption of the app's database with the one unavoidable rewrite of `messages`.

    python benchmarks/upgrade.py [--messages 1000000] [--smoke] [--json]

The lower bound retypes both text columns in one ALTER TABLE without reading the texts: one rewrite,
all indexes rebuilt. The upgrade reads, counts and keeps the texts, builds our two indexes, adds our
tables and verifies the result. Both get a copy of the same database, in turn, so that variations of
the machine affect them alike.

With shadow columns, used for tables of some gigabytes, nothing is rewritten.

The lock is the longest time that another session had to wait for one row of `messages`.
"""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from benchmarks import frame, servers
from benchmarks.sweep_tables import autocommit
from benchmarks.upgrade_tables import make_app
from local.postgres import PostgresServer
from migrations import run

_POLL_SECONDS = 0.005
_APP, _COPY = "app", "copy"
_REWRITE = """
ALTER TABLE messages ALTER audio_duration_ms TYPE integer USING NULL,
    ALTER pronunciation_score TYPE integer USING NULL
"""
_STEPS = {
    "change": "Change messages",
    "indexes": "Build the index",
    "batches": "Read the texts",
    "swap": "Put the numbers",
}
_ONE_ROW = "SELECT 1 FROM messages LIMIT 1"
_BYTES = "SELECT pg_total_relation_size('messages')"


def upgrade_figures(server: PostgresServer, messages: int, rounds: int) -> dict[str, float]:
    """Return the medians, in seconds, and their ratios."""
    make_app(server, messages, _APP)
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        with _copy(server) as url, psycopg.connect(url, autocommit=True) as connection:
            size_bytes = connection.execute(_BYTES).fetchall()[0][0]
            started = time.perf_counter()
            connection.execute(_REWRITE)
            taken["rewrite"].append(time.perf_counter() - started)
        for prefix, longest_lock_seconds in (("", float("inf")), ("shadow_", 0.0)):
            with _copy(server) as url:
                for name, seconds in _upgrade(url, longest_lock_seconds).items():
                    taken[prefix + name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    rewrite = medians["rewrite"]
    return {f"{name}_seconds": seconds for name, seconds in medians.items() if seconds} | {
        "ratio_total_to_rewrite": medians["upgrade"] / rewrite,
        "ratio_lock_to_rewrite": medians["lock"] / rewrite,
        "rewritten_mb_per_second": size_bytes / rewrite / 1e6,
    }


def _upgrade(url: str, longest_lock_seconds: float) -> dict[str, float]:
    waits: list[float] = []
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(url, waits, over))
    reader.start()
    started = time.perf_counter()
    try:
        done = run.upgrade(url, longest_lock_seconds=longest_lock_seconds).done
        seconds = time.perf_counter() - started
    finally:
        over.set()
        reader.join()
    steps = {
        name: sum(one.seconds for one in done if one.step.what.startswith(beginning))
        for name, beginning in _STEPS.items()
    }
    return {"upgrade": seconds, "lock": max(waits)} | steps


def _read(url: str, waits: list[float], over: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.wait(_POLL_SECONDS):
            started = time.perf_counter()
            connection.execute(_ONE_ROW)
            waits.append(time.perf_counter() - started)


@contextmanager
def _copy(server: PostgresServer) -> Iterator[str]:
    autocommit(server.url(), f"CREATE DATABASE {_COPY} TEMPLATE {_APP} STRATEGY file_copy")
    yield server.url(_COPY)
    autocommit(server.url(), f"DROP DATABASE {_COPY} WITH (FORCE)")


def measure(messages: int, rounds: int) -> frame.Figures:
    """Measure on a new database."""
    with servers.postgres(servers.WITHOUT_DISK | servers.QUIET) as server:
        figures = upgrade_figures(server, messages, rounds)
    return {name: round(figure, 3) for name, figure in figures.items()}


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "messages": frame.Size(1_000_000, smoke=2_000, help="messages in the table"),
            "rounds": frame.Size(5, smoke=1, help="rounds of all three"),
        },
    )
