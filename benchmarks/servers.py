"""A Postgres for the length of a benchmark."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.postgres import PostgresServer

# Waiting for the disk costs all measures the same and would hide a difference; how many pages are
# written whole depends on when the last checkpoint was.
WITHOUT_DISK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "1GB"}
# Checkpoints and autovacuum would fall into one measure and not into another.
QUIET = {"autovacuum": "off", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # run as root, Postgres is another user
        yield folder


@contextmanager
def postgres(options: Mapping[str, str] = WITHOUT_DISK) -> Iterator[PostgresServer]:
    """Yield a running server; stop it and delete its data at the end."""
    with private_folder() as folder:
        server = PostgresServer(folder / "postgres", options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
