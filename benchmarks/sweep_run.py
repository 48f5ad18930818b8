"""Plan and sweep by the flow's own tasks, and count calls to database and bucket.

`python -m benchmarks.sweep_run PAGE_SIZE PAGES` sweeps at most so many pages of the servers in the
environment, and ends with one line of JSON.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from policy.configuration import DEFAULT_POLICY
from policy.sweep import SweepRules
from schema.clock import utc_now
from schema.facts.deletion import SweepReport
from tasks.resources import database, storage
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import SweepCursor, sweep_chunk

GRACE = timedelta(days=DEFAULT_POLICY.cleanup.grace_period_days)
Calls = tuple[int, int]  # of the database's statements and the bucket's requests


def swept_pages(
    rules: SweepRules, *, allowance: int, page_size: int
) -> Iterator[tuple[SweepReport, Calls]]:
    """Sweep page after page; yield the report and calls of each that deleted something.

    Each page is a separate chunk, with one more request to the bucket than a page in the flow.
    """
    calls = Counter[str]()
    sa.event.listen(
        database.engine(), "before_cursor_execute", lambda *_: calls.update(["statement"])
    )
    storage.bucket().client.meta.events.register(
        "before-send.s3", lambda **_: calls.update(["request"])
    )
    cursor = SweepCursor(allowance)
    while not cursor.ended:
        calls.clear()
        report, cursor = sweep_chunk.fn(cursor, rules, page_size=page_size, pages=1)
        if report.broken:
            raise RuntimeError(report.broken)
        if report.objects:
            yield report, (calls["statement"], calls["request"])


def sweep(page_size: int, pages: int) -> dict[str, float | list[Calls]]:
    """Plan, sweep at most so many pages and plan again, as a run does; return the figures."""
    rules = SweepRules(utc_now(), GRACE, soft_delete=True)
    storage.bucket()
    before_mb = _peak_mb()
    started = time.perf_counter()
    plan = plan_sweep.fn(rules)
    planned = time.perf_counter()
    rows, calls = 0, set[Calls]()
    swept = swept_pages(rules, allowance=plan.objects, page_size=page_size)
    for report, page_calls in islice(swept, pages):
        rows += report.objects
        calls.add(page_calls)
    ended = time.perf_counter()
    left = plan_sweep.fn(rules)
    if rows + left.objects != plan.objects:
        message = f"{rows} of {plan.objects} due rows were swept, and {left.objects} are left."
        raise RuntimeError(message)
    return {
        "due": plan.objects,
        "rows": rows,
        "plan_seconds": planned - started,
        "sweep_seconds": ended - planned,
        "plan_after_seconds": time.perf_counter() - ended,
        "peak_mb": _peak_mb(),
        "grown_mb": _peak_mb() - before_mb,
        "calls": sorted(calls),
    }


def _peak_mb() -> float:
    """Return the peak memory of this process; `getrusage` would include its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(sweep(int(sys.argv[1]), int(sys.argv[2]))))
