"""Reconciling 1,000,000 objects with 1,000,000 rows: memory, time, and every planted difference.

    python benchmarks/reconcile.py [--json]

The objects are listed by a server in a process of its own, over HTTP through boto3; the rows lie in
an embedded Postgres. The reconciling process calls the flow's tasks without Prefect's server. Its
floor is a process that lists the same objects in the same way and forgets them.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks.listing_server import OBJECTS, SIZE_BYTES
from local.addresses import S3Address, StackAddresses
from local.postgres import PostgresServer
from migrations import run as migrations
from stores.database import connect

# Waiting for the disk is the disk's figure, not ours.
OPTIONS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "512MB"}
LOST = 3_000  # rows beyond the objects
UPLOADED_EARLY = 1_998  # one of so many objects was put before its message was saved
ADOPTABLE = len(range(0, OBJECTS, UPLOADED_EARLY))
PLANTED = {
    "row_without_object": LOST,
    "object_without_row": len(range(0, OBJECTS, 333)) - ADOPTABLE,
    "object_of_deleted_row": sum(n % 333 != 0 for n in range(1, OBJECTS, 500)),
    "size_difference": sum(n % 333 != 0 for n in range(2, OBJECTS, 500)),
}

# The keys are those of `benchmarks.listing_server`.
_FILL = f"""
INSERT INTO users (email) VALUES ('learner@example.org');
INSERT INTO conversations (id, user_id, target_language_id) SELECT 'c', id, 'en' FROM users;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_storage_key,
    audio_size_bytes, audio_processing_state, audio_deleted_at)
SELECT 'message-' || n, 'c', 'user', 'Could you say that once more?', timestamp '2025-03-01',
    'audio/00000000-0000-4000-8000-' || lpad((n / 500)::text, 12, '0')
        || '/conversation-' || lpad((n / 50)::text, 8, '0')
        || '/message-' || lpad(n::text, 10, '0') || '_1760000000000.wav',
    CASE WHEN mod(n, 500) = 2 THEN 1 ELSE {SIZE_BYTES} END, 'analyzed',
    CASE WHEN mod(n, 500) = 1 AND n < {OBJECTS} THEN timestamp '2025-04-01' END
FROM generate_series(0, {OBJECTS + LOST} - 1) AS n
WHERE mod(n, 333) <> 0 OR n >= {OBJECTS};

CREATE TEMP TABLE early ON COMMIT DROP AS
SELECT CAST('00000000-0000-4000-8000-' || lpad((n / 500)::text, 12, '0') AS uuid) AS user_id,
    'conversation-' || lpad((n / 50)::text, 8, '0') AS conversation_id,
    'message-' || lpad(n::text, 10, '0') AS id
FROM generate_series(0, {OBJECTS} - 1, {UPLOADED_EARLY}) AS n;
INSERT INTO users (id, email) SELECT DISTINCT user_id, user_id || '@example.org' FROM early;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT conversation_id, user_id, 'en' FROM early;
INSERT INTO messages (id, conversation_id, role, content, timestamp)
SELECT id, conversation_id, 'user', 'Could you say that once more?', timestamp '2025-03-01'
FROM early
"""  # noqa: S608 - numbers of this file


def bare_listing() -> None:
    """List everything here and forget it."""
    from stores.bucket.listing import list_objects
    from tasks.resources import storage

    objects = sum(len(page) for page in list_objects(storage.bucket(), "audio/"))
    if objects != OBJECTS:
        sys.exit(f"{objects} objects were listed")


def reconciliation() -> None:
    """Reconcile here, as the flow does."""
    from tasks.reconciliation import adoption, findings, listing

    older_than = datetime(2025, 6, 1, tzinfo=UTC)
    run = listing.begin_reconciliation.fn()
    while not listing.list_chunk.fn(run).complete:
        pass
    comparison = findings.compare.fn(run, older_than=older_than)
    stray: str | None = ""
    while stray is not None:
        stray, _ = adoption.adopt_page.fn(run, after=stray)
    checked: int | None = 0
    while checked is not None:
        checked = findings.check_chunk.fn(run, after=checked, older_than=older_than)
    findings.queue_orphans.fn(run)
    findings.finish_reconciliation.fn(run, comparison)


WORK = {"bare": bare_listing, "reconcile": reconciliation}


def measure(work: str) -> None:
    """Do it here; print seconds and this process's peak memory in MB."""
    started = time.perf_counter()
    WORK[work]()
    seconds = time.perf_counter() - started
    kilobytes = 1024 if sys.platform != "darwin" else 1
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes
    print(json.dumps([seconds, peak_bytes / 1e6]))


def measure_apart(work: str, environment: dict[str, str]) -> tuple[float, float]:
    """Do it in a process of its own; return seconds and MB."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.reconcile", "--run", work],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    seconds, peak_mb = json.loads(answer.stdout)
    return seconds, peak_mb


@contextmanager
def servers() -> Iterator[tuple[dict[str, str], sa.Engine]]:
    """Run the bucket and the database; yield the environment that finds them, and an engine."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listing_server"], stdout=subprocess.PIPE, text=True
    )
    with tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-") as folder:
        Path(folder).chmod(0o711)  # run as root, the server is another user
        postgres = PostgresServer(Path(folder) / "postgres", OPTIONS)
        postgres.start()
        engine = connect(postgres.url(), statement_timeout=timedelta(minutes=10))
        try:
            migrations.upgrade(postgres.url())
            fill(engine)
            port = listing.stdout.readline().strip() if listing.stdout else ""
            bucket = S3Address(f"http://127.0.0.1:{port}", "key", SecretStr("secret"))
            addresses = StackAddresses(SecretStr(postgres.url()), bucket, "http://127.0.0.1:9/api")
            yield {**addresses.environment(), "PREFECT_HOME": folder}, engine
        finally:
            engine.dispose()
            postgres.stop()
            listing.kill()
            listing.wait()


def fill(engine: sa.Engine) -> None:
    """Make the rows, with the differences planted."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_FILL)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def check_findings(engine: sa.Engine) -> None:
    """Make sure that just what was planted was found, all orphans queued, the early adopted."""
    with engine.connect() as connection:
        found = dict(
            connection.execute(
                sa.text("SELECT kind, count(*) FROM audio_ops.reconciliation_finding GROUP BY kind")
            )
            .tuples()
            .all()
        )
        queued = connection.scalar(sa.text("SELECT count(*) FROM audio_ops.orphan_object"))
        adopted = connection.scalar(
            sa.text("SELECT count(*) FROM messages WHERE audio_processing_state = 'uploaded'")
        )
    if adopted != ADOPTABLE:
        sys.exit(f"planted {ADOPTABLE} objects to be adopted, {adopted} were")
    if found != PLANTED or queued != found["object_without_row"] + found["object_of_deleted_row"]:
        sys.exit(f"planted {PLANTED}, found {found}, queued {queued}")


def main() -> None:
    """Print the figures."""
    with servers() as (environment, engine):
        bare_seconds, bare_mb = measure_apart("bare", environment)
        seconds, peak_mb = measure_apart("reconcile", environment)
        check_findings(engine)
    figures = {
        "objects": OBJECTS,
        "findings": sum(PLANTED.values()),
        "adopted": ADOPTABLE,
        "seconds": round(seconds, 1),
        "objects_per_second": round(OBJECTS / seconds),
        "peak_mb": round(peak_mb),
        "bare_listing_seconds": round(bare_seconds, 1),
        "bare_listing_peak_mb": round(bare_mb),
        "ratio_to_bare_listing": round(seconds / bare_seconds, 2),
    }
    for name, figure in figures.items():
        print(f"{name:24} {figure}")
    if "--json" in sys.argv:
        print(json.dumps(figures))


if __name__ == "__main__":
    if "--run" in sys.argv:
        measure(sys.argv[-1])
    else:
        main()
