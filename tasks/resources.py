"""What tasks share inside one process: the database, the bucket, the analysis workers.

Each is made at its first use, in whichever process a task runs, and lives until that process ends.
"""

import atexit
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from settings.environment import BucketSettings, DatabaseSettings, ReportSettings
from settings.processes import limit_blas_threads
from stores import audio_bucket, database, url_signer
from stores.audio_bucket import AudioBucket
from stores.url_signer import UrlSigner
from tasks.analysis_workers import AnalysisWorkers

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

DATABASE_PATIENCE_SECONDS = 120.0  # a failover takes under a minute
# SQLSTATE classes that no waiting mends: wrong user or password, no such database.
FINAL_SQLSTATE_CLASSES = ("28", "3D")
MAX_DOWNLOADS = 256  # threads that share the bucket's client; connections are made when needed


class OnePerProcess(Generic[P, T]):
    """Keeps what a function returns; threads that ask at once share it, unlike with `cache`."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = cache(make)
        self._lock = threading.Lock()
        self.cache_clear = self._make.cache_clear

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what is kept, made by the first caller."""
        with self._lock:
            # `cache` asks for hashable arguments, which a ParamSpec cannot promise.
            return self._make(*args, **kwargs)  # type: ignore[arg-type]


@OnePerProcess
def engine() -> Engine:
    """Return this process's pool of database connections."""
    return database.connect(DatabaseSettings().database_url.get_secret_value())


@OnePerProcess
def bucket() -> AudioBucket:
    """Return this process's client of the audio bucket."""
    settings = BucketSettings()
    return audio_bucket.open_bucket(
        settings.bucket_name, **_access(settings), max_connections=MAX_DOWNLOADS
    )


@OnePerProcess
def signer() -> UrlSigner:
    """Return what signs URLs of the audio bucket's objects."""
    settings = BucketSettings()
    return url_signer.open_signer(
        settings.bucket_name,
        **_access(settings),
        credentials_expire_at=settings.credentials_expire_at,
    )


def _access(settings: BucketSettings) -> dict[str, Any]:
    """Return what the bucket and its signer are both opened with: endpoint, region and keys."""
    return settings.model_dump(exclude={"bucket_name", "credentials_expire_at"})


@OnePerProcess
def objects_address() -> str:
    """Return what stands before the key in the URLs of the audio bucket's objects."""
    settings = BucketSettings()
    return audio_bucket.objects_address(
        settings.bucket_name, endpoint=settings.endpoint, region=settings.region
    )


def reports_dir() -> Path:
    """Return the folder for files that people and other programs read, made or not."""
    return ReportSettings().reports_dir


def analysis_workers(count: int | None) -> AnalysisWorkers:
    """Return this process's analysis workers; None: one for each core it may use."""
    return _so_many_workers(count or available_cores())


@OnePerProcess
def _so_many_workers(count: int) -> AnalysisWorkers:
    limit_blas_threads()
    workers = AnalysisWorkers(count)
    atexit.register(workers.close)
    return workers


def available_cores() -> int:
    """Count the cores this process may use (affinity, not the machine's total)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def in_transaction(work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction; if the database goes away, again until it is back.

    `work` must be safe to repeat: the answer to a COMMIT can be lost on the way. What it returns
    then is of the repetition, which finds the work done.

    Raises:
        OperationalError: If the database stays away for `DATABASE_PATIENCE_SECONDS`, or refuses
            the user or the database's name.
    """
    deadline = time.monotonic() + DATABASE_PATIENCE_SECONDS
    delay = 0.5
    while True:
        try:
            with engine().begin() as connection:
                return work(connection)
        except OperationalError as error:
            sqlstate = getattr(error.orig, "sqlstate", None) or "no answer"
            if time.monotonic() + delay > deadline or sqlstate.startswith(FINAL_SQLSTATE_CLASSES):
                raise
            logger.warning(
                "Database: %s (%s); again in %.1f s", type(error.orig).__name__, sqlstate, delay
            )
            time.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, no secret
            delay = min(delay * 2, 10.0)
