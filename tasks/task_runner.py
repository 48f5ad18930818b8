"""Where the chunks of a run work: in threads of its process, or on the Dask cluster in settings."""

from typing import TYPE_CHECKING, Any, cast

from prefect.context import FlowRunContext, get_run_context
from prefect.task_runners import ThreadPoolTaskRunner

from schema.errors import ClusterUnavailable
from settings.environment import ClusterSettings

if TYPE_CHECKING:
    from tasks.dask_task_runner import DaskChunkRunner

# Two chunks at a time: while one writes its results the other keeps the cores busy.
CHUNKS_IN_FLIGHT = 2


class ChunkTaskRunner(ThreadPoolTaskRunner[Any]):
    """Threads, or the Dask cluster that settings name; chosen when a run starts.

    Prefect duplicates the runner in a flow's decorator for each run. So importing a flow reads no
    settings and needs neither a cluster nor the extra `dask`.
    """

    places = CHUNKS_IN_FLIGHT

    def __init__(self, max_workers: int = CHUNKS_IN_FLIGHT) -> None:
        super().__init__(max_workers)

    def duplicate(self) -> "ThreadPoolTaskRunner[Any] | DaskChunkRunner":  # type: ignore[override]
        """Return what runs the chunks of one run; it connects when the first is submitted.

        Raises:
            ClusterUnavailable: If a cluster is named and the extra `dask` is not installed.
        """
        address = ClusterSettings().dask_address
        if address is None:
            return super().duplicate()
        try:
            from tasks.dask_task_runner import DaskChunkRunner
        except ModuleNotFoundError as error:
            reason = f"{error.name} is not installed here; it comes with the extra `dask`"
            raise ClusterUnavailable(address, reason) from error
        return DaskChunkRunner(address=address)


def places() -> int:
    """Count the chunks that this flow run can work on at once.

    Raises:
        ClusterUnavailable: If the cluster does not answer.
    """
    context = cast("FlowRunContext", get_run_context())
    return cast("ChunkTaskRunner | DaskChunkRunner", context.task_runner).places
