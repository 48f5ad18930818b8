"""Measure a backfill's cost to the database: selecting, claiming, keeping old analyses; and bytes.

    python benchmarks/backfill.py [--messages 300000] [--smoke] [--json]

One backfill selects all messages, another 10,000; claims of both are measured in turn and must cost
the same. Then 10,000 analyses are overwritten by the statements of the flow. Finally it prints the
bytes per message in each table and index, on which `docs/scaling.md` is based.
"""

import statistics
import time
from datetime import timedelta
from io import StringIO

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks import frame, servers
from benchmarks.quality_tables import make_database
from schema.clock import utc_now
from schema.errors.base import KaiwaError
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillRequest, FinishedItem
from schema.states import BackfillOutcome, BackfillSelection
from stores.analysis import analyses
from stores.backfill import backfills, freezing, leases, outcomes
from stores.database import connect
from tasks.backfill.backfill_analysis import FREEZE_AT_ONCE

CLAIMS, CLAIMED = 30, 100

LEASE = timedelta(minutes=15)
# Two engines: no message may be in two open backfills of the same engine.
FEW, ALL = EngineRelease("kaiwa", "2.0", "en-new"), EngineRelease("kaiwa", "3.0", "en-newest")
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
# Tables with a row per message, and those with a row per overwritten analysis.
_WHOLE = ("messages", "message_audio_analysis", "audio_ops.backfill_item")
_OVERWRITES = ("audio_ops.analysis_history", "audio_ops.backfill_previous")


class NotEnough(KaiwaError):
    """A backfill of the benchmark returned fewer messages than expected."""

    backfill_id: int

    def __str__(self) -> str:
        return f"Backfill {self.backfill_id} returned too few messages."


def measure(messages: int, few: int, overwritten: int) -> frame.Figures:
    """Return the figures, including the bytes per message in each table and index."""
    with servers.postgres() as server:
        engine = connect(make_database(server, messages), statement_timeout=timedelta(minutes=30))
        small, _ = _freeze(engine, FEW, few)
        every, freeze_seconds = _freeze(engine, ALL, None)
        claim_few, claim_all = _claim_ms(engine, {small: FEW, every: ALL})
        overwrite_seconds = _overwrite(engine, every, overwritten)
        sizes = _bytes_each(engine, _WHOLE, messages)
        sizes |= _bytes_each(engine, _OVERWRITES, overwritten)
        engine.dispose()
    return {
        "messages": messages,
        "frozen_per_second": messages / freeze_seconds,
        "claim_ms_10k": claim_few,
        "claim_ms_all": claim_all,
        "claim_ratio_all_to_10k": claim_all / claim_few,
        "overwritten_per_second": overwritten / overwrite_seconds,
        "bytes_per_message": sizes,
    }


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
            more = freezing.freeze_page(
                connection, number, release, [release], ("en",), limit=FREEZE_AT_ONCE
            )
    took = time.perf_counter() - began
    with engine.begin() as connection:
        backfills.approve(connection, number, approved_by="a benchmark")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE audio_ops.backfill_item"))
    return number, took


def _claim_ms(engine: sa.Engine, releases: dict[int, EngineRelease]) -> list[float]:
    """Return the median times of claims by backfill; every claim is released again."""
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


def _overwrite(engine: sa.Engine, backfill_id: int, count: int) -> float:
    """Claim, keep, write and finish without an analysis; return the seconds."""
    with engine.connect() as connection:
        model = next(iter(analyses.get_many(connection, [_any_message(connection)]).values()))
    model = model.model_copy(update={"analysis_version": ALL.version, "analyzed_at": utc_now()})
    began, overwritten = time.perf_counter(), 0
    while overwritten < count:
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
    """Return the newest message, a valid one."""
    newest = sa.text("SELECT id FROM messages ORDER BY timestamp DESC LIMIT 1")
    return str(connection.execute(newest).scalar_one())


def _bytes_each(engine: sa.Engine, tables: tuple[str, ...], rows: int) -> dict[str, float]:
    with engine.connect() as connection:
        found = connection.execute(_SIZES, {"tables": list(tables)}).all()
    return {f"{row.table_name} {row.index_name or ''}".strip(): row.bytes / rows for row in found}


def show(figures: frame.Figures) -> str:
    """Format the figures, the bytes as a table."""
    table = Table("table, index", "bytes a message", "GB, 100 million messages")
    for name, size in figures["bytes_per_message"].items():
        table.add_row(name, f"{size:,.0f}", f"{size / 10:,.1f}")
    console = Console(width=120, file=StringIO(), record=True)
    console.print(table)
    others = {name: value for name, value in figures.items() if name != "bytes_per_message"}
    return console.export_text() + frame.as_lines(others)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "messages": frame.Size(300_000, smoke=2_000, help="messages in the tables"),
            "few": frame.Size(10_000, smoke=500, help="messages of the smaller backfill"),
            "overwritten": frame.Size(10_000, smoke=300, help="analyses that are overwritten"),
        },
        show=show,
    )
