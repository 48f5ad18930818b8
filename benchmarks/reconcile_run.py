"""Reconcile the bucket and database of the environment, or only list the bucket.

`python -m benchmarks.reconcile_run reconcile|bare` ends with one line of JSON: the number of
objects, the seconds, and the process's peak memory in MB.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from stores.bucket.listing import list_objects
from tasks.resources import storage


def bare_listing() -> int:
    """List all objects; return their number."""
    return sum(len(page) for page in list_objects(storage.bucket(), "audio/"))


def reconciliation() -> None:
    """Reconcile as the flow does."""
    from tasks.reconciliation import adoption, findings, listing  # not in the bare listing's memory

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


WORK: dict[str, Callable[[], int | None]] = {"bare": bare_listing, "reconcile": reconciliation}

if __name__ == "__main__":
    started = time.perf_counter()
    listed = WORK[sys.argv[1]]()
    seconds = time.perf_counter() - started
    kilobytes = 1024 if sys.platform != "darwin" else 1
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes
    print(json.dumps({"listed": listed, "seconds": seconds, "peak_mb": peak_bytes / 1e6}))
