"""Claiming 100 messages: 1,000,000 waiting against 10,000, and behind 1,000,000 without an engine.

All must cost the same. The tables are in one embedded Postgres and measured in turn, so that
variations of the machine affect all alike. Messages that no engine supports lie before the 10,000
or between them; a run scans past them once, when it plans its chunks, whereas a claim without a
plan would do so each time. `python benchmarks/claim.py [--smoke] [--json]`
"""

import statistics
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from benchmarks import frame, servers
from local.postgres import PostgresServer
from migrations import run
from schema.facts.analysis import QueuePosition, WaitingChunk
from stores.analysis import leases
from stores.database import connect

CLAIMS, UNPLANNED_CLAIMS, LIMIT = 30, 3, 100
ENGLISH = ["en"]
MESSAGES_PER_CONVERSATION = 20

_USER = "INSERT INTO users (email) VALUES ('learner@example.org')"
_FILL = """
INSERT INTO conversations (id, user_id, target_language_id)
SELECT '{language}-' || n, users.id, '{language}'
FROM users, generate_series(0, {conversations}) AS n;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_storage_key,
    audio_format, audio_duration_ms, audio_size_bytes, audio_processing_state,
    audio_retention_expires_at)
SELECT '{language}-message-' || n, '{language}-' || n / {each}, 'user',
    'Could you say that once more?', timestamp '{since}' + n * interval '{apart} seconds',
    'audio/u/c/message-' || n || '.wav', 'pcm16', 5000, 240000, 'uploaded',
    timestamp '2025-04-01' + n * interval '7 seconds'
FROM generate_series(0, {messages} - 1) AS n
"""


@dataclass(frozen=True)
class _Pile:
    """Messages that no engine supports yet: before all others, or between them."""

    messages: int
    since: str
    apart: float  # seconds


SIZES = {
    "small": frame.Size(10_000, smoke=3_500, help="messages that wait in the small table"),
    "large": frame.Size(1_000_000, smoke=6_000, help="in the large table, or without an engine"),
}


def claim_ratios(small: int, large: int) -> dict[str, float]:
    """Return the median times of plans and claims, in ms, and their ratios."""
    # The others are 7 s apart, since 2025 began.
    in_front = _Pile(large, "2024-01-01", 7)
    between = _Pile(large, "2025-01-01", 7 * small / large)
    with servers.postgres() as server:
        engines = {
            "10k": waiting_database(server, small, "small"),
            "1m": waiting_database(server, large, "large"),
            "uncovered": waiting_database(server, small, "uncovered", in_front),
            "between": waiting_database(server, small, "between", between),
        }
        plans = {name: _plan(engine) for name, engine in engines.items()}
        times: dict[str, list[float]] = {name: [] for name in engines}
        for number in range(CLAIMS):
            for name, engine in engines.items():
                times[name].append(_claim_ms(engine, plans[name].chunks[number].start))
        unplanned = [_claim_ms(engines["uncovered"], None) for _ in range(UNPLANNED_CLAIMS)]
        for engine in engines.values():
            engine.dispose()
    median = {name: statistics.median(measured) for name, measured in times.items()}
    return {
        **{f"claim_ms_{name}": ms for name, ms in median.items()},
        "claim_ratio_1m_to_10k": median["1m"] / median["10k"],
        "claim_ratio_uncovered_to_none": median["uncovered"] / median["10k"],
        "claim_ratio_between_to_none": median["between"] / median["10k"],
        "unplanned_claim_ms_uncovered": statistics.median(unplanned),
        **{f"plan_ms_{name}": plan.chunks_ms for name, plan in plans.items()},
        **{f"count_without_engine_ms_{name}": plan.count_ms for name, plan in plans.items()},
    }


def waiting_database(
    server: PostgresServer, waiting: int, name: str, pile: _Pile | None = None
) -> sa.Engine:
    """Return an engine for a new database with so many waiting messages and a pile besides."""
    administrator = connect(server.url())
    with administrator.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    run.upgrade(server.url(name))
    engine = connect(server.url(name), statement_timeout=timedelta(minutes=10))
    with engine.begin() as connection:
        connection.exec_driver_sql(_USER)
        connection.exec_driver_sql(_fill("en", _Pile(waiting, "2025-01-01", 7)))
        if pile is not None:
            connection.exec_driver_sql(_fill("ja", pile))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return engine


def _fill(language: str, pile: _Pile) -> str:
    return _FILL.format(
        language=language,
        conversations=pile.messages // MESSAGES_PER_CONVERSATION,
        each=MESSAGES_PER_CONVERSATION,
        messages=pile.messages,
        since=pile.since,
        apart=pile.apart,
    )


class _Plan(NamedTuple):
    chunks: list[WaitingChunk]
    chunks_ms: float
    count_ms: float


def _plan(engine: sa.Engine) -> _Plan:
    """Plan chunks and count messages without an engine, as a run does at its start."""
    with engine.begin() as connection:
        started = time.perf_counter()
        chunks = leases.waiting_chunks(
            connection, languages=ENGLISH, limit=CLAIMS * LIMIT, chunk_size=LIMIT
        )
        planned = time.perf_counter()
        leases.count_uncovered(connection, ENGLISH)
        counted = time.perf_counter()
    return _Plan(chunks, 1000 * (planned - started), 1000 * (counted - planned))


def _claim_ms(engine: sa.Engine, start: QueuePosition | None) -> float:
    """Claim once, commit included."""
    started = time.perf_counter()
    with engine.begin() as connection:
        claim = leases.claim(
            connection,
            languages=ENGLISH,
            limit=LIMIT,
            owner="benchmark",
            duration=timedelta(minutes=10),
            start=start,
        )
    elapsed = time.perf_counter() - started
    if claim is None or len(claim.messages) != LIMIT:
        message = f"A claim returned fewer than {LIMIT} messages."
        raise RuntimeError(message)
    return elapsed * 1000


if __name__ == "__main__":
    frame.run(claim_ratios, SIZES)
