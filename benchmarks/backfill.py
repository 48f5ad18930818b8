"""What a backfill costs the database: selecting, claiming, keeping what was there; and its bytes.

    python benchmarks/backfill.py [--messages 300000] [--json]

One backfill takes all messages, another 10,000; claims of both are measured in turn and must cost
the same. Then 10,000 analyses are overwritten by the statements of the flow. At the end it prints
what a message takes in each table and index, from which `docs/scaling.md` reckons.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.quality_tables import make_database
from local.postgres import PostgresServer
from schema.clock import utc_now
from schema.errors.base import KaiwaError
from schema.facts.backfill import BackfillRequest, EngineRelease, FinishedItem
from schema.states import BackfillOutcome, BackfillSelection
from stores.analysis import analyses
from stores.backfill import backfills, freezing, leases, outcomes
from stores.database import connect
from tasks.backfill.backfill_analysis import FREEZE_AT_ONCE

SMALL = 10_000
CLAIMS, CLAIMED = 30, 100
OVERWRITTEN = 10_000

LEASE = timedelta(minutes=15)
# Two engines: no message may be in two open backfills of one.
FEW, ALL = EngineRelease("kaiwa", "2.0", "en-new"), EngineRelease("kaiwa", "3.0", "en-newest")
OPTIONS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "1GB"}
_SIZES = sa.text("""
SELECT t.relname AS table_name, i.relname AS index_name,
    CASE WHEN i.oid IS NULL THEN pg_table_size(t.oid) ELSE pg_relation_size(i.oid) END AS bytes
FROM pg_class AS t
LEFT JOIN LATERAL (
    SELECT NULL::oid AS oid, NULL::name AS relname
    UNION ALL
    SELECT c.oid, c.relname FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
    WHERE x.indrelid = t.oid
) AS i ON true
WHERE t.oid = ANY(CAST(:tables AS regclass[]))
ORDER BY t.relname, i.relname NULLS FIRST
""")
# Tables with a row for each message, and those with a row for each analysis that is overwritten.
_WHOLE = ("messages", "message_audio_analysis", "audio_ops.backfill_item")
_OVERWRITES = ("audio_ops.analysis_history", "audio_ops.backfill_previous")


class NotEnough(KaiwaError):
    """A backfill of the benchmark returned fewer messages than it holds."""

    backfill_id: int

    def __str__(self) -> str:
        return f"Backfill {self.backfill_id} returned too few messages."


def measure(messages: int) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
    """Return all figures, and bytes a message of each table and index."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-benchmark-"))
    folder.chmod(0o711)  # run as root, the server is another user
    server = PostgresServer(folder, OPTIONS)
    server.start()
    try:
        engine = connect(make_database(server, messages), statement_timeout=timedelta(minutes=30))
        few, _ = _freeze(engine, FEW, SMALL)
        every, freeze_seconds = _freeze(engine, ALL, None)
        small, large = _claim_ms(engine, {few: FEW, every: ALL})
        overwrite_seconds = _overwrite(engine, every)
        sizes = [
            *_bytes_each(engine, _WHOLE, messages),
            *_bytes_each(engine, _OVERWRITES, OVERWRITTEN),
        ]
        engine.dispose()
    finally:
        server.stop()
        shutil.rmtree(folder)
    figures = {
        "messages": messages,
        "frozen_per_second": messages / freeze_seconds,
        "claim_ms_10k": small,
        "claim_ms_all": large,
        "claim_ratio_all_to_10k": large / small,
        "overwritten_per_second": OVERWRITTEN / overwrite_seconds,
    }
    return figures, sizes


def _freeze(engine: sa.Engine, release: EngineRelease, limit: int | None) -> tuple[int, float]:
    began = time.perf_counter()
    request = BackfillRequest(BackfillSelection.ALL, limit=limit)
    with engine.begin() as connection:
        number = backfills.begin(
            connection, request, release, fingerprint=str(release), reason="a benchmark"
        )
    more = True
    while more:
        with engine.begin() as connection:
            more = freezing.freeze_page(connection, number, release, ("en",), limit=FREEZE_AT_ONCE)
    took = time.perf_counter() - began
    with engine.begin() as connection:
        backfills.approve(connection, number, approved_by="a benchmark")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE audio_ops.backfill_item"))
    return number, took


def _claim_ms(engine: sa.Engine, releases: dict[int, EngineRelease]) -> list[float]:
    """Median times of claims, by backfill; each is given back."""
    times: dict[int, list[float]] = {number: [] for number in releases}
    for _ in range(CLAIMS):
        for number, release in releases.items():
            began = time.perf_counter()
            with engine.begin() as connection:
                claim = leases.claim(
                    connection, number, release, limit=CLAIMED, owner="benchmark", duration=LEASE
                )
            times[number].append(1000 * (time.perf_counter() - began))
            if claim is None or len(claim.messages) != CLAIMED:
                raise NotEnough(number)
            with engine.begin() as connection:
                leases.release(connection, claim.token)
    return [statistics.median(each) for each in times.values()]


def _overwrite(engine: sa.Engine, backfill_id: int) -> float:
    """Analyse again without analysing: claim, keep, write, finish. Return seconds."""
    with engine.connect() as connection:
        model = next(iter(analyses.get_many(connection, [_any_message(connection)]).values()))
    model = model.model_copy(update={"analysis_version": ALL.version, "analyzed_at": utc_now()})
    began, overwritten = time.perf_counter(), 0
    while overwritten < OVERWRITTEN:
        with engine.begin() as connection:
            claim = leases.claim(
                connection, backfill_id, ALL, limit=CLAIMED, owner="benchmark", duration=LEASE
            )
        if claim is None:
            raise NotEnough(backfill_id)
        with engine.begin() as connection:
            ids = list(leases.lock_held(connection, claim.token, ALL))
            rescored = [model.model_copy(update={"message_id": id_}) for id_ in ids]
            outcomes.keep_previous(connection, claim.token, ids)
            analyses.upsert(connection, rescored)
            finished = [
                FinishedItem(id_, BackfillOutcome.ANALYZED, audio_ms=5000, cpu_ms=50) for id_ in ids
            ]
            outcomes.finish(connection, claim.token, finished)
        overwritten += len(ids)
    return time.perf_counter() - began


def _any_message(connection: sa.Connection) -> str:
    """The last one, of which nothing is wrong."""
    newest = sa.text("SELECT id FROM messages ORDER BY timestamp DESC LIMIT 1")
    return str(connection.execute(newest).scalar_one())


def _bytes_each(
    engine: sa.Engine, tables: tuple[str, ...], rows: int
) -> list[tuple[str, str, float]]:
    with engine.connect() as connection:
        found = connection.execute(_SIZES, {"tables": list(tables)}).all()
    return [(row.table_name, row.index_name or "", row.bytes / rows) for row in found]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures, sizes = measure(arguments.messages)
    table = Table("table", "index", "bytes a message", "GB, 100 million messages")
    for name, index, size in sizes:
        table.add_row(name, index, f"{size:,.0f}", f"{size / 10:,.1f}")
    Console(width=120).print(table)
    print(
        f"{figures['frozen_per_second']:,.0f} messages selected a second; "
        f"{figures['overwritten_per_second']:,.0f} analyses overwritten a second\n"
        f"claiming {CLAIMED}: {figures['claim_ms_10k']:.1f} ms out of {SMALL:,}, "
        f"{figures['claim_ms_all']:.1f} ms out of {arguments.messages:,}"
    )
    if arguments.json:
        print(json.dumps(figures))
