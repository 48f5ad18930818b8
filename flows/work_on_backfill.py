"""A worker of a backfill: claim, analyse and write until nothing is left to claim."""

import time
from collections.abc import Callable
from typing import Annotated

from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.logging import get_run_logger
from pydantic import Field

from schema.clock import utc_now
from schema.errors.analysis import ChunkLost, WorkerNotReady
from schema.errors.base import DatabaseRefused
from schema.errors.storage import StorageError
from schema.facts.analysis import AnalysisReport
from schema.wording import counted
from tasks.analysis.analyze_messages import analyze_chunk
from tasks.analysis.engines import chosen_engine
from tasks.backfill.chunk import analyze_backfill_chunk, open_backfill
from tasks.backfill.queue import live_chunk, time_until_claimable
from tasks.runtime.chunk_runner import ChunkTaskRunner, places
from tasks.runtime.clocks import check_clocks

MAX_CHUNKS = 500  # task runs; then the parent starts another run
LIVE_CHUNK = 100
LIVE_CHECK_SECONDS = 30.0  # each check scans all messages that wait for an engine
LONGEST_WAIT_SECONDS = 10.0
MAX_FAILED_IN_A_ROW = 3  # then the bucket or the database is unavailable
MAX_ATTEMPTS = 5


@flow(
    name="work-on-backfill",
    flow_run_name="work-on-backfill-{backfill_id}",
    task_runner=ChunkTaskRunner(),  # type: ignore[arg-type]  # Prefect types it for coroutines
)
def work_on_backfill(
    backfill_id: Annotated[int, Field(ge=1)],
    chunk_size: Annotated[int, Field(ge=1, le=500)] = 100,
) -> AnalysisReport:
    """Analyse messages of a backfill, in parallel with its other workers.

    `backfill-analysis` starts it. New recordings take precedence. Safe to stop at any time:
    messages are leased, and other workers pick up what an interrupted run left behind. It exits
    immediately until the backfill's first sample is approved.

    Args:
        backfill_id: Number of the backfill.
        chunk_size: Messages claimed, analysed and written together.

    Returns:
        Counts of what happened to the messages that this run claimed.

    Raises:
        ClockSkew: If this machine's clock is off.
        BackfillUnknown, BackfillClosed, EngineChanged: If the backfill cannot be continued here.
        StorageError, WorkerNotReady, ChunkLost: If three chunks in a row failed; their messages
            were released, or will be when their leases expire.
        ClusterUnavailable: If a Dask cluster is configured and does not answer.
    """
    check_clocks(utc_now())
    open_backfill(backfill_id)
    return work(backfill_id, chunk_size=chunk_size, max_chunks=MAX_CHUNKS)


def work(
    backfill_id: int,
    *,
    chunk_size: int,
    canary: bool = False,
    max_chunks: int | None = None,
    after_chunk: Callable[[], object] = lambda: None,
) -> AnalysisReport:
    """Analyse the claimable messages of a backfill; must be called inside a flow.

    Args:
        backfill_id: Number of the backfill.
        chunk_size: Messages claimed together.
        canary: Claim only messages of the first sample.
        max_chunks: Maximum number of chunks; None: until nothing can be claimed.
        after_chunk: Called after each chunk.

    Returns:
        Counts of the messages claimed here by outcome; others may still be open.

    Raises:
        StorageError, WorkerNotReady, ChunkLost: If three chunks in a row failed.
        ClusterUnavailable: If a Dask cluster is configured and does not answer.
    """
    report, broken, begun, is_idle = AnalysisReport(), 0, 0, False
    in_flight: set[PrefectFuture[AnalysisReport]] = set()
    check_at = time.monotonic()
    while in_flight or max_chunks is None or begun < max_chunks:
        if time.monotonic() >= check_at:
            _serve_live()
            check_at = time.monotonic() + LIVE_CHECK_SECONDS
        wanted = 0 if is_idle else places() - len(in_flight)
        for _ in range(wanted if max_chunks is None else min(wanted, max_chunks - begun)):
            in_flight.add(_begin_chunk(backfill_id, chunk_size, canary=canary))
            begun += 1
        chunk = next(as_completed(list(in_flight)))
        in_flight.remove(chunk)
        done = chunk.result(raise_on_failure=False)
        if isinstance(done, BaseException):
            broken += 1
            get_run_logger().warning("A chunk failed: %s", done)
            if broken == MAX_FAILED_IN_A_ROW:
                raise done
            time.sleep(LONGEST_WAIT_SECONDS)
            is_idle = False
            continue
        broken = 0
        report += done
        after_chunk()
        is_idle = not done.claimed
        if is_idle and not in_flight:
            wait = time_until_claimable(backfill_id, canary=canary)
            if wait is None:
                break
            time.sleep(min(max(wait.total_seconds(), 0.5), LONGEST_WAIT_SECONDS))
            is_idle = False
    return report


def _begin_chunk(
    backfill_id: int, chunk_size: int, *, canary: bool
) -> PrefectFuture[AnalysisReport]:
    return analyze_backfill_chunk.submit(
        backfill_id,
        chunk_size,
        canary=canary,
        max_attempts=MAX_ATTEMPTS,
        workers=None,
        as_of=utc_now(),
    )


def _serve_live() -> None:
    """Analyse new recordings first, because learners wait for them; retries are left to their flow.

    At least one place is free, because this runs before the first chunk or after a finished one.
    """
    while chunk := live_chunk(LIVE_CHUNK):
        try:
            served = analyze_chunk.submit(
                chunk,
                None,
                engine=chosen_engine(None),
                max_attempts=MAX_ATTEMPTS,
                workers=None,
                as_of=utc_now(),
            ).result()
        except (StorageError, WorkerNotReady, ChunkLost, DatabaseRefused) as error:
            get_run_logger().warning("New recordings must wait: %s", error)
            return
        if served.not_analyzed:
            get_run_logger().warning(
                "%d of %s could not be analysed; each message shows its cause",
                served.not_analyzed,
                counted(served.claimed, "new recording"),
            )
        if not served.claimed:
            return
