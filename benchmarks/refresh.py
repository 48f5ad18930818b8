"""Compare a refresh of 1,000,000 signed URLs, end to end, with a bare UPDATE of the same rows.

    python benchmarks/refresh.py [--rows 1000000] [--smoke] [--json]

The refresh plans, reads, decides, signs and writes page by page, as the flow does, by calling its
tasks' functions: Prefect adds some 30 ms for each of the twenty task runs. Its peer is one
statement that sets every URL to a string of the same length, on clones of the same database, once
before and once after, so that variations of the machine affect both.

How many updates stay in their page (HOT) depends on the free space that earlier updates left. So
every row went through its life: inserted as `pending`, set to `uploading`, to `uploaded` with its
key, URL and sizes, to `analyzing`, to `analyzed` with its scores, in batches, with a vacuum
whenever autovacuum would have run one, at 20 % dead rows. There is a month of messages, of 50
conversations at a time; 60 % are kept for 30 days, 30 % for 90 and 10 % for 365. All URLs are
expired.
"""

import os
import statistics
import time
from datetime import timedelta

import sqlalchemy as sa

from benchmarks import frame, servers
from local.postgres import PostgresServer
from migrations import run
from policy.configuration import DEFAULT_POLICY
from schema.clock import utc_now
from schema.facts.urls import UrlReport
from stores.database import connect
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, refresh_span
from tasks.resources import database, storage

BATCH = 20_000
BARE = ("bare_before", "bare_after")
DEAD_SHARE = 0.2  # autovacuum_vacuum_scale_factor
BUCKET = {
    "TIGRIS_BUCKET_NAME": "kaiwa-audio",
    "TIGRIS_ENDPOINT": "https://fly.storage.tigris.dev",
    "TIGRIS_REGION": "auto",
    "TIGRIS_ACCESS_KEY_ID": "tid_benchmark_of_usual_length",
    "TIGRIS_SECRET_ACCESS_KEY": "tsec_benchmark",
}

_FILL_CONVERSATIONS = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, n || '@example.org' FROM generate_series(0, {conversations} / 10) AS n;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT md5('c' || n)::uuid, md5('u' || n / 10)::uuid, 'en'
FROM generate_series(0, {conversations} - 1) AS n
"""
_LIFE = (
    """
INSERT INTO messages (id, conversation_id, role, content, timestamp)
SELECT md5('m' || n)::uuid, md5('c' || n / 1000 * 50 + mod(n, 50))::uuid, 'user',
    repeat('Could you say that once more, please? ', 1 + mod(n, 4)),
    now() AT TIME ZONE 'UTC' - ({rows} - n) * interval '30 days' / {rows}
FROM generate_series({first}, {last}) AS n
""",
    "UPDATE messages SET audio_processing_state = 'uploading'"
    " WHERE audio_processing_state = 'pending'",
    """
UPDATE messages AS m
SET audio_processing_state = 'uploaded', audio_storage_key = key, audio_url = '{address}' || key
    || '{tail}', audio_url_expires_at = now() AT TIME ZONE 'UTC',
    audio_duration_ms = 5000, audio_size_bytes = 240000, audio_format = 'pcm16',
    audio_retention_expires_at = timestamp + interval '1 day'
        * (CASE WHEN tier < 6 THEN 30 WHEN tier < 9 THEN 90 ELSE 365 END)
FROM (
    SELECT m.id, 'audio/' || c.user_id || '/' || c.id || '/' || m.id || '_1700000000000.wav' AS key,
        mod(('x' || left(c.id, 4))::bit(16)::integer, 10) AS tier
    FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
    WHERE m.audio_processing_state = 'uploading'
) AS recorded
WHERE m.id = recorded.id
""",
    "UPDATE messages SET audio_processing_state = 'analyzing'"
    " WHERE audio_processing_state = 'uploaded'",
    "UPDATE messages SET audio_processing_state = 'analyzed', pronunciation_score = 80,"
    " fluency_score = 70, speech_rate_wpm = 110 WHERE audio_processing_state = 'analyzing'",
)
_OTHER_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " AND tablename = 'messages'"
    " AND indexname NOT IN ('messages_pkey', 'messages_audio_processing_idx')"
)
_BARE_UPDATE = """
UPDATE messages SET audio_url = repeat('x', length(audio_url)),
    audio_url_expires_at = now() AT TIME ZONE 'UTC' + interval '7 days'
WHERE audio_storage_key IS NOT NULL AND audio_deleted_at IS NULL
"""
_HOT_SHARE = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'messages'"


def measure(rows: int) -> frame.Figures:
    """Return the times of both, their ratio and the share of HOT updates."""
    with servers.postgres(servers.WITHOUT_DISK | servers.QUIET) as server:
        _administer(server, "CREATE DATABASE refreshed")
        run.upgrade(server.url("refreshed"))
        _live(server.url("refreshed"), rows)
        for bare in BARE:
            _administer(server, f"CREATE DATABASE {bare} TEMPLATE refreshed STRATEGY FILE_COPY")
        before = _bare_update(server.url(BARE[0]), rows)
        refresh_seconds = _refresh(server.url("refreshed"), rows)
        bare_seconds = statistics.mean([before, _bare_update(server.url(BARE[1]), rows)])
        hot_share = _hot_share(server.url("refreshed"), rows)
        bare_hot_share = _hot_share(server.url(BARE[0]), rows)
    return {
        "rows": rows,
        "bare_update_seconds": round(bare_seconds, 3),
        "refresh_seconds": round(refresh_seconds, 3),
        "urls_per_second": round(rows / refresh_seconds),
        "ratio_to_bare_update": round(refresh_seconds / bare_seconds, 3),
        "hot_share": round(hot_share, 3),
        "hot_share_of_bare_update": round(bare_hot_share, 3),
    }


def _administer(server: PostgresServer, statement: str) -> None:
    _autocommit(server.url(), statement)


def _autocommit(url: str, *statements: str) -> None:
    engine = connect(url, statement_timeout=timedelta(0))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _live(url: str, rows: int) -> None:
    """Take so many rows through their life, up to an expired URL."""
    os.environ.update(BUCKET, DATABASE_URL=url)  # noqa: TID251 - what the tasks will read
    signer = storage.signer()
    tail = signer.dated(utc_now()).sign("", 604_800).removeprefix(signer.address)
    tail = tail.replace("%", "%%")  # psycopg's own mark
    engine = connect(url, statement_timeout=timedelta(0))
    with engine.connect() as connection:
        others = list(connection.execute(sa.text(_OTHER_INDEXES)))
    # Indexes do not affect the placement of rows and only slow this down: recreated below.
    _autocommit(url, *(f"DROP INDEX {name}" for name, _ in others))
    _autocommit(url, _FILL_CONVERSATIONS.format(conversations=rows // 20))
    dead = 0
    for first in range(0, rows, BATCH):
        last = min(first + BATCH, rows) - 1
        for statement in _LIFE:
            text = statement.format(
                rows=rows, first=first, last=last, address=signer.address, tail=tail
            )
            _autocommit(url, text)
        dead += 4 * (last - first + 1)
        if dead > DEAD_SHARE * last:
            _autocommit(url, "VACUUM messages")
            dead = 0
    _autocommit(url, *(definition for _, definition in others))
    _autocommit(url, "ANALYZE", "CHECKPOINT", "SELECT pg_stat_reset()")
    engine.dispose()


def _bare_update(url: str, rows: int) -> float:
    engine = connect(url, statement_timeout=timedelta(0))
    started = time.perf_counter()
    with engine.begin() as connection:
        updated = connection.exec_driver_sql(_BARE_UPDATE).rowcount
    seconds = time.perf_counter() - started
    engine.dispose()
    _expect(updated, rows)
    return seconds


def _refresh(url: str, rows: int) -> float:
    rules = RefreshRules(utc_now(), DEFAULT_POLICY, 1000, only_active_days=None, dry_run=False)
    started = time.perf_counter()
    report = UrlReport()
    for number, span in enumerate(plan_refresh.fn(rules).spans):
        report += refresh_span.fn(span, rules, number=number, limit=None)
    seconds = time.perf_counter() - started
    database.engine().dispose()
    _expect(report.signed, rows)
    return seconds


def _expect(updated: int, rows: int) -> None:
    if updated != rows:
        message = f"{updated} of {rows} rows were written."
        raise RuntimeError(message)


def _hot_share(url: str, rows: int) -> float:
    """Return the share of HOT updates, which stay in their page and touch no index."""
    engine = connect(url)
    with engine.connect() as connection:
        updated, hot = connection.execute(sa.text(_HOT_SHARE)).one()
    engine.dispose()
    _expect(updated, rows)
    return float(hot / updated)


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "rows": frame.Size(1_000_000, smoke=2_000, help="messages in the table"),
        },
    )
