"""Measure the retention sweep: queries in small and large tables, pace, memory.

    python benchmarks/sweep.py [--smoke] [--json]

Queries: finding and locking a page of 100 due recordings, at the head of the queue and at random
places, in tables of 100,000 to 5,000,000 messages in one embedded Postgres, measured in turn, so
that variations of the machine affect all alike.

Pace: the flow's tasks on a real S3 server and a durable Postgres, page by page in turn with a plain
loop of DeleteObjects over as many equal objects. Prefect adds some 30 ms for each task run, of a
thousand objects or more.

Memory: one separate process plans and sweeps 10,000 due recordings, another 1,000,000. Instead of a
bucket they use a server that only confirms every deletion, which does not affect their memory.
"""

import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks import frame, servers
from benchmarks.sweep_pace import pace
from benchmarks.sweep_run import GRACE, Calls
from benchmarks.sweep_tables import drop_unused_indexes, make_table
from local import swift
from local.addresses import PrefectAddress, S3Address, StackAddresses
from local.environment import child_environment
from schema.clock import utc_now
from stores.database import connect
from stores.deletion import retention
from stores.deletion.retention import BEGINNING, Position

ROUNDS, PAGE = 40, 100
LARGEST_PAGE, ALL = 1000, 1_000_000
PAGES_WITHOUT_BUCKET = 100
DISK_BYTES_A_MESSAGE = 4 * 1024  # of the largest table
LITTLE_WAL = {
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def measure(small: int, medium: int, large: int, due: int, paced: int) -> frame.Figures:
    """Return the figures of queries, pace and memory, in tables of these sizes."""
    with servers.private_folder() as folder:
        if obstacle := swift.obstacle(folder):
            sys.exit(obstacle)
        if shutil.disk_usage(folder).free < large * DISK_BYTES_A_MESSAGE:
            gigabytes = large * DISK_BYTES_A_MESSAGE / 1e9
            sys.exit(f"{folder} needs {gigabytes:.0f} GB of free disk.")
        figures, calls = pace(folder, pages=paced)
        tables = {"100k": small, "1m": medium, "5m": large}
        figures |= _figures_without_bucket(folder, tables, due, calls)
    return {name: round(figure, 3) for name, figure in figures.items()}


def _figures_without_bucket(
    folder: Path, tables: Mapping[str, int], table_of_10k_due: int, calls: set[Calls]
) -> dict[str, float]:
    options = servers.WITHOUT_DISK | servers.QUIET | LITTLE_WAL
    with servers.postgres(options) as server, _confirming_bucket() as endpoint:
        urls = {name: make_table(server, rows) for name, rows in tables.items()}
        figures = _query_figures(urls)
        run = partial(_run, endpoint=endpoint, folder=folder)
        some = run(urls["1m"], page_size=PAGE, pages=PAGES_WITHOUT_BUCKET)
        small = run(make_table(server, table_of_10k_due), page_size=LARGEST_PAGE, pages=ALL)
        # Indexes do not affect memory and only slow down a million rows.
        drop_unused_indexes(urls["5m"])
        large = run(urls["5m"], page_size=LARGEST_PAGE, pages=ALL)
    calls = calls | {
        (statements, requests) for r in (some, small, large) for statements, requests in r["calls"]
    }
    statements, requests = zip(*calls, strict=True)
    return figures | {
        "statements_per_page_least": min(statements),
        "statements_per_page_most": max(statements),
        "bucket_calls_per_page_least": min(requests),
        "bucket_calls_per_page_most": max(requests),
        "sweep_rows_per_second_without_bucket": some["rows"] / some["sweep_seconds"],
        "due_rows_10k": small["due"],
        "due_rows_1m": large["due"],
        "plan_seconds_1m": large["plan_seconds"],
        "sweep_seconds_1m": large["sweep_seconds"],
        "plan_seconds_1m_swept": large["plan_after_seconds"],
        "memory_mb_10k": small["peak_mb"],
        "memory_mb_1m": large["peak_mb"],
        "memory_grown_mb_10k": small["grown_mb"],
        "memory_grown_mb_1m": large["grown_mb"],
        "memory_ratio_1m_to_10k": large["peak_mb"] / small["peak_mb"],
    }


def _query_figures(urls: dict[str, str]) -> dict[str, float]:
    """Return the median times of finding and locking a page, in ms, and their ratios."""
    engines = {name: connect(url) for name, url in urls.items()}
    before = utc_now() - GRACE
    oldest = {name: _oldest_expiry(engine, before) for name, engine in engines.items()}
    last_page = {name: _last_page(engine, before) for name, engine in engines.items()}
    places = random.Random(0)  # noqa: S311 - the same places each time
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        share = places.random()
        for name, engine in engines.items():
            place = Position(oldest[name] + share * (last_page[name] - oldest[name]), "")
            with engine.connect() as connection:
                find = partial(retention.find_expired, connection, before=before, limit=PAGE)
                with _timed(times[f"head_query_ms_{name}"]):
                    find(after=BEGINNING)
                with _timed(times[f"page_query_ms_{name}"]):
                    page = find(after=place)
                with _timed(times[f"lock_ms_{name}"]):
                    locked = retention.lock(connection, [row.storage_key for row in page])
                if len(locked.recordings) != PAGE:
                    message = f"{len(locked.recordings)} of {PAGE} recordings were locked."
                    raise RuntimeError(message)
    for engine in engines.values():
        engine.dispose()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ratios = {
        f"{what}_ratio_5m_to_100k": medians[f"{what}_ms_5m"] / medians[f"{what}_ms_100k"]
        for what in ("page_query", "head_query", "lock")
    }
    return medians | ratios


def _oldest_expiry(engine: sa.Engine, before: datetime) -> datetime:
    with engine.connect() as connection:
        (oldest,) = retention.find_expired(connection, before=before, after=BEGINNING, limit=1)
    return retention.position_of(oldest).expires_at


def _last_page(engine: sa.Engine, before: datetime) -> datetime:
    """Return an expiry after which at least one full page is due."""
    query = sa.text(
        "SELECT audio_retention_expires_at AT TIME ZONE 'UTC' FROM messages"
        " WHERE audio_retention_expires_at < :before AND audio_storage_key IS NOT NULL"
        " AND audio_deleted_at IS NULL ORDER BY audio_retention_expires_at DESC"
        " OFFSET :rows LIMIT 1"
    )
    with engine.connect() as connection:
        parameters = {"before": before.replace(tzinfo=None), "rows": 2 * PAGE}
        found: datetime = connection.execute(query, parameters).scalar_one()
    return found


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    """Append how long the block took, in ms."""
    started = time.perf_counter()
    yield
    times.append(1000 * (time.perf_counter() - started))


def _run(url: str, endpoint: str, folder: Path, *, page_size: int, pages: int) -> dict[str, Any]:
    """Plan and sweep in a separate process; return the figures of `benchmarks.sweep_run`."""
    nobody = S3Address(endpoint, "nobody", SecretStr("nothing"))
    addresses = StackAddresses(
        SecretStr(url), nobody, PrefectAddress("", SecretStr(""))
    ).environment()
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweep_run", str(page_size), str(pages)],
        env=child_environment(folder, **{name: v for name, v in addresses.items() if v}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


@contextmanager
def _confirming_bucket() -> Iterator[str]:
    """Yield the address of a server that confirms every deletion."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.confirming_bucket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        if server.stdin is None or server.stdout is None:
            raise AssertionError  # both are pipes
        yield server.stdout.readline().strip()
        server.stdin.close()  # makes it exit


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "small": frame.Size(100_000, smoke=20_000, help="messages of the small table"),
            "medium": frame.Size(1_000_000, smoke=21_000, help="messages of the medium table"),
            "large": frame.Size(5_000_000, smoke=22_000, help="messages of the large table"),
            "due": frame.Size(
                50_000, smoke=2_000, help="messages of a table of which a fifth is due"
            ),
            "paced": frame.Size(18, smoke=3, help="pages of 100 objects on the S3 server"),
        },
    )
