"""Errors of analysing recordings."""

from schema.errors.base import KaiwaError
from schema.wording import agreeing, counted


class VoiceFailed(KaiwaError):
    """The synthetic voice's process died, hung or answered nonsense, twice."""

    def __str__(self) -> str:
        return (
            "The synthetic voice failed twice to read a text. `kaiwa-audio engines` says whether "
            "it is installed."
        )


class WorkerNotReady(KaiwaError):
    """An analysis server did not start, or ended; no recording is at fault."""

    reason: str

    def __str__(self) -> str:
        return (
            f"An analysis server failed to start or was killed: {self.reason}. Its messages were "
            "returned to the queue. Look for a traceback in the worker's log; memory may be short "
            "or the installation incomplete."
        )


class ClusterUnavailable(KaiwaError):
    """The Dask cluster named in the settings cannot be used."""

    address: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The Dask cluster at {self.address} cannot be used: {self.reason}. No further "
            "messages were claimed. Fix the cluster, or leave KAIWA_DASK_ADDRESS empty to run "
            "chunks in the flow run's own process."
        )


class ChunkLost(KaiwaError):
    """The Dask cluster lost track of a chunk; leases protect its messages."""

    reason: str

    def __str__(self) -> str:
        return (
            f"A chunk was lost on the Dask cluster: {self.reason.rstrip('.')}. Its messages are "
            "either written already or retried when their leases expire. Check the logs of Dask's "
            "scheduler and workers."
        )


class AnalysesBroken(KaiwaError):
    """New analyses break data quality rules, so the run must fail."""

    broken: int
    analyzed: int
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.broken} of {counted(self.analyzed, 'analysis', 'analyses')} "
            f"{agreeing(self.broken, 'breaks', 'break')} data quality rules: "
            f"{', '.join(self.rules)}. They are written and quarantined; `audio_ops.quarantine` "
            "shows what was observed. Fix what wrote them, then analyse these messages again."
        )


class RunIncomplete(KaiwaError):
    """Too much of the work failed, so the run must fail."""

    failed: int
    total: int
    broken_chunks: int
    allowed_percent: float

    def __str__(self) -> str:
        chunks = f" Failed chunks, left to later runs: {self.broken_chunks}."
        return (
            f"{self.failed} of {counted(self.total, 'message')} "
            f"{agreeing(self.failed, 'was', 'were')} not analysed (limit: "
            f"{self.allowed_percent:g} %).{chunks if self.broken_chunks else ''} Everything else "
            "is written. The artifact `analyze-messages` counts the causes; each failed message "
            "shows its own in `audio_processing_error`."
        )
