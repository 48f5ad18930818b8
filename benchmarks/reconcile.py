"""Reconcile 1,000,000 objects with 1,000,000 rows: memory, time, and every planted difference.

    python benchmarks/reconcile.py [--objects 1000000] [--smoke] [--json]

The objects are listed by a server in a separate process, over HTTP through boto3; the rows are in
an embedded Postgres. The reconciling process calls the flow's tasks without Prefect's server. The
lower bound is a process that only lists the same objects in the same way.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks import frame, servers
from benchmarks.listing_server import SIZE_BYTES
from local.addresses import PrefectAddress, S3Address, StackAddresses
from migrations import run as migrations
from stores.database import connect

# Less memory for the server, since this benchmark measures memory.
OPTIONS = servers.WITHOUT_DISK | {"shared_buffers": "512MB"}
WITHOUT_ROW = 333  # one of so many objects has no row
UPLOADED_EARLY = 1_998  # one of so many objects was uploaded before its message was saved


@dataclass(frozen=True, slots=True)
class Planted:
    """The differences that a reconciliation of so many objects must find."""

    objects: int

    @property
    def lost(self) -> int:
        """Rows without an object."""
        return 3 * self.objects // 1000

    @property
    def adoptable(self) -> int:
        """Objects that were uploaded before their message was saved."""
        return len(range(0, self.objects, UPLOADED_EARLY))

    @property
    def findings(self) -> dict[str, int]:
        """Discrepancies by kind."""
        return {
            "row_without_object": self.lost,
            "object_without_row": len(range(0, self.objects, WITHOUT_ROW)) - self.adoptable,
            "object_of_deleted_row": sum(n % WITHOUT_ROW != 0 for n in range(1, self.objects, 500)),
            "size_difference": sum(n % WITHOUT_ROW != 0 for n in range(2, self.objects, 500)),
        }


# The keys are those of `benchmarks.listing_server`.
_FILL = """
INSERT INTO users (email) VALUES ('learner@example.org');
INSERT INTO conversations (id, user_id, target_language_id) SELECT 'c', id, 'en' FROM users;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_storage_key,
    audio_size_bytes, audio_processing_state, audio_deleted_at)
SELECT 'message-' || n, 'c', 'user', 'Could you say that once more?', timestamp '2025-03-01',
    'audio/00000000-0000-4000-8000-' || lpad((n / 500)::text, 12, '0')
        || '/conversation-' || lpad((n / 50)::text, 8, '0')
        || '/message-' || lpad(n::text, 10, '0') || '_1760000000000.wav',
    CASE WHEN mod(n, 500) = 2 THEN 1 ELSE {size_bytes} END, 'analyzed',
    CASE WHEN mod(n, 500) = 1 AND n < {objects} THEN timestamp '2025-04-01' END
FROM generate_series(0, {objects} + {lost} - 1) AS n
WHERE mod(n, {without_row}) <> 0 OR n >= {objects};

CREATE TEMP TABLE early ON COMMIT DROP AS
SELECT CAST('00000000-0000-4000-8000-' || lpad((n / 500)::text, 12, '0') AS uuid) AS user_id,
    'conversation-' || lpad((n / 50)::text, 8, '0') AS conversation_id,
    'message-' || lpad(n::text, 10, '0') AS id
FROM generate_series(0, {objects} - 1, {early}) AS n;
INSERT INTO users (id, email) SELECT DISTINCT user_id, user_id || '@example.org' FROM early;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT conversation_id, user_id, 'en' FROM early;
INSERT INTO messages (id, conversation_id, role, content, timestamp)
SELECT id, conversation_id, 'user', 'Could you say that once more?', timestamp '2025-03-01'
FROM early
"""


def run_apart(work: str, environment: dict[str, str]) -> dict[str, float]:
    """Reconcile or list in a separate process; return its figures."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.reconcile_run", work],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


@contextmanager
def bucket_and_rows(planted: Planted) -> Iterator[tuple[dict[str, str], sa.Engine]]:
    """Run bucket and database; yield their environment variables, and an engine."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listing_server", str(planted.objects)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with servers.private_folder() as folder, servers.postgres(OPTIONS) as postgres:
            migrations.upgrade(postgres.url())
            engine = connect(postgres.url(), statement_timeout=timedelta(minutes=10))
            fill(engine, planted)
            port = listing.stdout.readline().strip() if listing.stdout else ""
            bucket = S3Address(f"http://127.0.0.1:{port}", "key", SecretStr("secret"))
            nowhere = PrefectAddress("http://127.0.0.1:9/api", SecretStr("admin:nothing"))
            addresses = StackAddresses(SecretStr(postgres.url()), bucket, nowhere)
            yield {**addresses.environment(), "PREFECT_HOME": str(folder)}, engine
            engine.dispose()
    finally:
        listing.kill()
        listing.wait()


def fill(engine: sa.Engine, planted: Planted) -> None:
    """Insert the rows, with the planted differences."""
    statement = _FILL.format(
        objects=planted.objects,
        lost=planted.lost,
        without_row=WITHOUT_ROW,
        early=UPLOADED_EARLY,
        size_bytes=SIZE_BYTES,
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def check_findings(engine: sa.Engine, planted: Planted) -> None:
    """Check that exactly the planted differences were found, queued or adopted."""
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
    if adopted != planted.adoptable:
        sys.exit(f"planted {planted.adoptable} objects to be adopted, {adopted} were")
    orphans = found["object_without_row"] + found["object_of_deleted_row"]
    if found != planted.findings or queued != orphans:
        sys.exit(f"planted {planted.findings}, found {found}, queued {queued}")


def measure(objects: int) -> frame.Figures:
    """Return time and memory of the reconciliation and of the bare listing."""
    planted = Planted(objects)
    with bucket_and_rows(planted) as (environment, engine):
        bare = run_apart("bare", environment)
        if bare["listed"] != objects:
            sys.exit(f"{bare['listed']} of {objects} objects were listed")
        whole = run_apart("reconcile", environment)
        check_findings(engine, planted)
    return {
        "objects": objects,
        "findings": sum(planted.findings.values()),
        "adopted": planted.adoptable,
        "seconds": round(whole["seconds"], 1),
        "objects_per_second": round(objects / whole["seconds"]),
        "peak_mb": round(whole["peak_mb"]),
        "bare_listing_seconds": round(bare["seconds"], 1),
        "bare_listing_peak_mb": round(bare["peak_mb"]),
        "ratio_to_bare_listing": round(whole["seconds"] / bare["seconds"], 2),
    }


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "objects": frame.Size(1_000_000, smoke=4_000, help="objects in the bucket"),
        },
    )
