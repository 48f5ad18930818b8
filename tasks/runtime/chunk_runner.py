"""Task runner for chunks: threads of the run's process, or the Dask cluster in the settings."""

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from prefect.context import FlowRunContext, get_run_context
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from policy.runs import CHUNKS_IN_FLIGHT
from schema.errors.analysis import ClusterUnavailable
from settings.environment import ClusterSettings

if TYPE_CHECKING:
    from tasks.runtime.dask_runner import DaskChunkRunner


class ChunkTaskRunner(ThreadPoolTaskRunner[Any]):
    """Runs chunks in threads or on a Dask cluster, decided when the first chunk is submitted.

    So importing a flow reads no settings and needs neither a cluster nor the extra `dask`, and
    an unusable cluster fails the run instead of leaving it without a final state.
    """

    def __init__(self, max_workers: int = CHUNKS_IN_FLIGHT) -> None:
        super().__init__(max_workers)
        self._connected = ExitStack()

    @cached_property
    def cluster(self) -> "DaskChunkRunner | None":
        """Return the runner for the cluster; None if no cluster is configured.

        Raises:
            ClusterUnavailable: If the extra `dask` is not installed.
        """
        address = ClusterSettings().dask_address
        if address is None:
            return None
        try:
            from tasks.runtime.dask_runner import DaskChunkRunner
        except ModuleNotFoundError as error:
            reason = f"{error.name} is not installed here; it comes with the extra `dask`"
            raise ClusterUnavailable(address, reason) from error
        runner = DaskChunkRunner(address=address)
        self._connected.enter_context(runner)
        return runner

    @property
    def places(self) -> int:
        """Number of chunks that can currently run at once."""
        return self.cluster.places if self.cluster else CHUNKS_IN_FLIGHT

    def submit(self, *args: Any, **kwargs: Any) -> PrefectFuture[Any]:  # type: ignore[override]  # noqa: ANN401 - overloads, passed on
        """Submit a chunk.

        Raises:
            ClusterUnavailable: If a cluster is configured but cannot be used.
        """
        if self.cluster:
            return self.cluster.submit(*args, **kwargs)
        return super().submit(*args, **kwargs)

    def __exit__(self, *exception: Any) -> None:  # noqa: ANN401 - Prefect's signature
        """Disconnect from the cluster and shut down the threads."""
        try:
            self._connected.close()
        finally:
            super().__exit__(*exception)


def places() -> int:
    """Return how many chunks this flow run can process at once.

    Raises:
        ClusterUnavailable: If a cluster is configured but does not answer.
    """
    context = cast("FlowRunContext", get_run_context())
    return cast("ChunkTaskRunner", context.task_runner).places
