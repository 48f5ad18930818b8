"""The analysis workers of this process."""

import atexit
import os

from schema.states import AnalysisEngine
from tasks.analysis.workers import AnalysisWorkers
from tasks.resources.process import OnePerProcess


def analysis_workers(count: int | None, engine: AnalysisEngine) -> AnalysisWorkers:
    """Return this process's workers with an engine; None: one for each core it may use."""
    return _start_workers(count or available_cores(), engine)


@OnePerProcess
def _start_workers(count: int, engine: AnalysisEngine) -> AnalysisWorkers:
    workers = AnalysisWorkers(count, engine)
    atexit.register(workers.close)
    return workers


def available_cores() -> int:
    """Count the cores this process may use (affinity, not the machine's total)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity
