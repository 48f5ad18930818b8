"""Errors of analysing recordings."""

from schema.errors.base import KaiwaError


class WorkerNotReady(KaiwaError):
    """An analysis process ended, or hung, before it was ready for its first recording."""

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        super().__init__(
            f"An analysis process did not get ready (exit code {exit_code}). The messages are "
            "given back. Look for its traceback in the worker's log; memory may be short, or the "
            "installation incomplete.",
            exit_code,
        )


class ClusterUnavailable(KaiwaError):
    """The Dask cluster that settings name cannot be used from here."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"The Dask cluster at {address} cannot be used: {reason}. Nothing more was claimed. "
            "Mend that, or leave KAIWA_DASK_ADDRESS empty: chunks then run in the flow run's own "
            "process.",
            address,
            reason,
        )


class ChunkLost(KaiwaError):
    """The Dask cluster cannot say what became of a chunk; leases keep its messages from harm."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"A chunk was lost on the Dask cluster: {reason.rstrip('.')}. What it had claimed is "
            "either written or taken up again when its leases end. Look into the logs of Dask's "
            "scheduler and workers.",
            reason,
        )


class AnalysesBroken(KaiwaError):
    """Analyses just written break rules of data quality, so the run must not end green."""

    def __init__(self, broken: int, analyzed: int, rules: tuple[str, ...]) -> None:
        self.broken, self.analyzed, self.rules = broken, analyzed, rules
        super().__init__(
            f"{broken} of {analyzed} analyses break rules of data quality: {', '.join(rules)}. "
            "They are written and set aside; `audio_ops.quarantine` says what was observed. Mend "
            "what wrote them, then analyse these messages again.",
            broken,
            analyzed,
            rules,
        )


class RunIncomplete(KaiwaError):
    """Part of the work failed, so the run must not end green."""

    def __init__(self, failed: int, total: int, broken_chunks: int, allowed_percent: float) -> None:
        self.failed, self.total = failed, total
        self.broken_chunks, self.allowed_percent = broken_chunks, allowed_percent
        broken = (
            f" Chunks that broke off, for later runs to take up: {broken_chunks}."
            if broken_chunks
            else ""
        )
        super().__init__(
            f"{failed} of {total} messages were not analysed (allowed: {allowed_percent:g} %)."
            f"{broken} Everything else is written. The artifact `analyze-messages` counts the "
            "causes, and each failed message says why in `audio_processing_error`.",
            failed,
            total,
            broken_chunks,
            allowed_percent,
        )
