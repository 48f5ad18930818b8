"""How a run is divided into chunks, and when it must fail although its results are written."""

from collections.abc import Sequence

from schema.facts.analysis import AnalysisReport, WaitingChunk
from schema.states import FailureCause

# Caused by the system, not by what a learner recorded.
SYSTEM_CAUSES = frozenset(
    {
        FailureCause.OBJECT_MISSING,
        FailureCause.NOT_STORABLE,
        FailureCause.STORAGE_UNAVAILABLE,
        FailureCause.STORAGE_DENIED,
        FailureCause.TIMED_OUT,
        FailureCause.ENGINE_ERROR,
        FailureCause.STARVED,
        FailureCause.DECODER_MISSING,
        FailureCause.CRASHED,
    }
)

# In a smaller run, one silent clip must not raise an alert.
MESSAGES_TO_JUDGE = 20

# While one chunk writes its results, the other keeps the cores busy.
CHUNKS_IN_FLIGHT = 2

# Rows of one page or claim that the database may refuse; more are not a problem of single rows.
MOST_REFUSED_ROWS = 5

MAX_TASK_RUNS = 1000  # more in one flow run slow the Prefect server down


def merged_chunks(chunks: Sequence[WaitingChunk]) -> list[WaitingChunk]:
    """Merge consecutive chunks if there are more than `MAX_TASK_RUNS`."""
    joined = -(-len(chunks) // MAX_TASK_RUNS) or 1
    return [
        WaitingChunk(
            chunks[first].start, sum(chunk.size for chunk in chunks[first : first + joined])
        )
        for first in range(0, len(chunks), joined)
    ]


def too_many_failures(report: AnalysisReport, allowed_percent: float) -> bool:
    """Decide whether so many analyses failed that the run must fail.

    Recordings that cannot be scored (silence, the wrong text) count only in runs of at least
    `MESSAGES_TO_JUDGE` messages; system failures always count.
    """
    if report.claimed >= MESSAGES_TO_JUDGE:
        failures = report.not_analyzed
    else:
        failures = sum(report.causes[cause] for cause in SYSTEM_CAUSES)
    return failures * 100 > allowed_percent * report.claimed
