"""Claiming 100 messages: 1,000,000 waiting against 10,000; it must cost the same.

Both tables live in one embedded Postgres and are measured in turn, so that the machine's moods
hit both alike. `python benchmarks/claim.py [--json]`
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from deployments.local.postgres import PostgresServer
from migrations import run
from stores import leases
from stores.database import connect

SMALL, LARGE = 10_000, 1_000_000
CLAIMS, LIMIT = 30, 100
# Waiting for the disk costs both the same and would hide a difference; how many pages are written
# whole depends on when the last checkpoint was, not on the claim.
OPTIONS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "1GB"}
MESSAGES_PER_CONVERSATION = 20

_FILL = """
INSERT INTO users (email) VALUES ('learner@example.org');
INSERT INTO conversations (id, user_id, target_language_id)
SELECT 'conversation-' || n, users.id, 'en' FROM users, generate_series(0, {conversations}) AS n;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_storage_key,
    audio_format, audio_duration_ms, audio_size_bytes, audio_processing_state,
    audio_retention_expires_at)
SELECT 'message-' || n, 'conversation-' || n / {each}, 'user', 'Could you say that once more?',
    timestamp '2025-01-01' + n * interval '7 seconds', 'audio/u/c/message-' || n || '.wav',
    'pcm16', 5000, 240000, 'uploaded', timestamp '2025-04-01' + n * interval '7 seconds'
FROM generate_series(0, {messages} - 1) AS n
"""


def claim_ratio() -> dict[str, float]:
    """Return the median times of a claim, in ms, and their ratio, as the report names them."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-benchmark-"))
    folder.chmod(0o711)  # run as root, the server is another user
    server = PostgresServer(folder, OPTIONS)
    server.start()
    try:
        engines = {
            waiting: waiting_database(server, waiting, f"waiting_{waiting}")
            for waiting in (SMALL, LARGE)
        }
        times: dict[int, list[float]] = {SMALL: [], LARGE: []}
        for _ in range(CLAIMS):
            for waiting, engine in engines.items():
                times[waiting].append(_claim_ms(engine))
        for engine in engines.values():
            engine.dispose()
    finally:
        server.stop()
        shutil.rmtree(folder)
    small, large = (statistics.median(times[waiting]) for waiting in (SMALL, LARGE))
    return {"claim_ms_10k": small, "claim_ms_1m": large, "claim_ratio_1m_to_10k": large / small}


def waiting_database(server: PostgresServer, waiting: int, name: str) -> sa.Engine:
    """Return an engine on a new database where so many messages wait."""
    administrator = connect(server.url())
    with administrator.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    administrator.dispose()
    run.upgrade(server.url(name))
    engine = connect(server.url(name), statement_timeout=timedelta(minutes=10))
    fill = _FILL.format(
        conversations=waiting // MESSAGES_PER_CONVERSATION,
        each=MESSAGES_PER_CONVERSATION,
        messages=waiting,
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(fill)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return engine


def _claim_ms(engine: sa.Engine) -> float:
    """Claim once, commit included."""
    started = time.perf_counter()
    with engine.begin() as connection:
        claim = leases.claim(
            connection, limit=LIMIT, owner="benchmark", duration=timedelta(minutes=10)
        )
    elapsed = time.perf_counter() - started
    if claim is None or len(claim.messages) != LIMIT:
        message = f"A claim did not get its {LIMIT} messages."
        raise RuntimeError(message)
    return elapsed * 1000


if __name__ == "__main__":
    figures = claim_ratio()
    print(
        f"Claiming {LIMIT} messages, median of {CLAIMS}:\n"
        f"  {SMALL:>9,} waiting  {figures['claim_ms_10k']:7.2f} ms\n"
        f"  {LARGE:>9,} waiting  {figures['claim_ms_1m']:7.2f} ms\n"
        f"  ratio {figures['claim_ratio_1m_to_10k']:.2f}"
    )
    if "--json" in sys.argv:
        print(json.dumps(figures))
