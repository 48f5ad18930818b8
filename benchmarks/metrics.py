"""Compare the storage measurement with bare aggregates over the same messages; peak memory.

    python benchmarks/metrics.py [--messages 5000000] [--smoke] [--json]

The bare aggregate counts recordings and sums their bytes and minutes by format, day and day of
deletion. It joins nothing, so it has neither tiers nor languages; the aggregate by owner adds
them. All run in turn in one embedded Postgres, so that variations of the machine affect them alike.

Both ratios cover the pass over the messages, shaping the result into tables and days, and writing
these. The other three parts read other tables: the ledger, active learners, and the month's
analyses; `ratio_with_everything` covers all four.
"""

import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import sqlalchemy as sa

from benchmarks import frame, servers
from benchmarks.metrics_tables import make_table
from policy import storage_measures
from policy.costs import prices_of
from schema.clock import utc_now
from stores.costs import metrics, throughput
from stores.database import connect
from stores.quality.rules.catalogue import DISTRUSTED
from stores.tiers import CURRENT_TIERS

MONTH = timedelta(days=30)
_BARE = sa.text("""
SELECT audio_format, CAST(timestamp AS date), CAST(audio_deleted_at AS date), count(*),
    sum(audio_size_bytes), sum(audio_duration_ms)
FROM messages WHERE audio_storage_key IS NOT NULL
GROUP BY 1, 2, 3
""")
_BY_OWNER = sa.text(f"""
SELECT s.current_tier, c.user_id IS NULL, c.target_language_id, m.audio_format,
    CAST(m.timestamp AS date), CAST(m.audio_deleted_at AS date),
    m.audio_retention_expires_at <= now() AT TIME ZONE 'UTC', count(*), sum(m.audio_size_bytes),
    sum(m.audio_duration_ms)
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
LEFT JOIN ({CURRENT_TIERS}
) AS s ON s.user_id = c.user_id
WHERE m.audio_storage_key IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7
""")  # noqa: S608 - ours
WORK_MEM = "SET LOCAL work_mem = '64MB'"  # as in the measurement


def metrics_figures(engine: sa.Engine, rounds: int) -> dict[str, float]:
    """Return the medians, in seconds, their ratios and the peak memory of this process."""
    times: dict[str, list[float]] = defaultdict(list)

    for _ in range(rounds):
        as_of = utc_now()
        for name, work in _PARTS.items():
            started = time.perf_counter()
            with engine.begin() as connection:
                work(connection, as_of)
            times[name].append(time.perf_counter() - started)
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    bare = seconds["bare"]
    return (
        {f"{name}_seconds": taken for name, taken in seconds.items()}
        | {
            "ratio_to_bare_aggregate": seconds["storage"] / bare,
            "ratio_to_aggregate_by_owner": seconds["storage"] / seconds["by_owner"],
            "ratio_with_everything": sum(seconds[part] for part in _OURS) / bare,
        }
        | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    )


def _storage(connection: sa.Connection, as_of: datetime) -> None:
    """Aggregate all messages, shape the result, write the daily figures."""
    stock = storage_measures.with_tiers(metrics.stock(connection, as_of=as_of))
    gone = pl.DataFrame(schema=metrics.GONE)
    daily = storage_measures.daily_measures(
        stock, gone, as_of=as_of, horizon_days=metrics.OLDEST_DAYS - 1
    )
    for column in ("tier", "language", "format"):
        storage_measures.by_group(stock, column, prices_of())
    storage_measures.by_age(stock, prices_of())
    metrics.write(connection, daily, as_of=as_of, reconstructed=False)


def _peer(connection: sa.Connection, statement: sa.TextClause) -> None:
    connection.exec_driver_sql(WORK_MEM)
    connection.execute(statement).all()


_OURS: dict[str, Callable[[sa.Connection, datetime], object]] = {
    "storage": _storage,
    "ledger": lambda connection, as_of: metrics.gone(connection, as_of=as_of),
    "active": lambda connection, as_of: metrics.active_learners(
        connection, since=as_of - MONTH, as_of=as_of
    ),
    "throughput": lambda connection, as_of: throughput.throughput(
        connection, since=as_of - MONTH, as_of=as_of, distrusted=DISTRUSTED
    ),
}
_PARTS = {
    "bare": lambda connection, _: _peer(connection, _BARE),
    "by_owner": lambda connection, _: _peer(connection, _BY_OWNER),
    **_OURS,
}


def measure(messages: int, rounds: int) -> frame.Figures:
    """Measure on a new table."""
    with servers.postgres(servers.WITHOUT_DISK | servers.QUIET) as server:
        engine = connect(make_table(server, messages), statement_timeout=timedelta(0))
        figures = metrics_figures(engine, rounds)
        engine.dispose()
    return {name: round(figure, 3) for name, figure in figures.items()}


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "messages": frame.Size(5_000_000, smoke=20_000, help="messages in the table"),
            "rounds": frame.Size(5, smoke=1, help="rounds of all measures"),
        },
    )
