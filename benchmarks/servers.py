"""A Postgres for the length of a benchmark."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.postgres import PostgresServer

# Waiting for the disk costs all measurements the same and would hide a difference; the number of
# full-page writes depends on the time of the last checkpoint.
WITHOUT_DISK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "1GB"}
# Checkpoints and autovacuum would affect some measurements and not others.
QUIET = {"autovacuum": "off", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # Postgres runs as another user if this runs as root
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
