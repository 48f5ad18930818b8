"""How a run is cut into chunks, and when it must end failed although it wrote all it could."""

from collections.abc import Sequence

from schema.facts.analysis import AnalysisReport, WaitingChunk
from schema.states import FailureCause

# What the world did to us, not what a learner recorded.
SYSTEM_CAUSES = frozenset(
    {
        FailureCause.OBJECT_MISSING,
        FailureCause.STORAGE_UNAVAILABLE,
        FailureCause.STORAGE_DENIED,
        FailureCause.TIMED_OUT,
        FailureCause.ENGINE_ERROR,
        FailureCause.CRASHED,
    }
)

# One silent clip in a quiet hour is 100 % of the run, and no reason to wake anybody.
MESSAGES_TO_JUDGE = 20

# Two chunks at a time: while one writes its results the other keeps the cores busy.
CHUNKS_IN_FLIGHT = 2

MAX_TASK_RUNS = 1000  # more of them in one run slow the Prefect server down


def few_enough(chunks: Sequence[WaitingChunk]) -> list[WaitingChunk]:
    """Join chunks that follow each other, where they would be too many task runs."""
    joined = -(-len(chunks) // MAX_TASK_RUNS) or 1
    return [
        WaitingChunk(
            chunks[first].start, sum(chunk.size for chunk in chunks[first : first + joined])
        )
        for first in range(0, len(chunks), joined)
    ]


def too_many_failures(report: AnalysisReport, allowed_percent: float) -> bool:
    """Decide whether a run may not end green.

    Recordings that cannot be scored (silence, the wrong text) count only in runs of at least
    `MESSAGES_TO_JUDGE` messages; failures of the system always count.
    """
    if report.claimed >= MESSAGES_TO_JUDGE:
        failures = report.not_analyzed
    else:
        failures = sum(report.causes[cause] for cause in SYSTEM_CAUSES)
    return failures * 100 > allowed_percent * report.claimed
