"""Task runner for chunks: threads of the run's process, or the Dask cluster in the settings."""

import concurrent.futures
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from prefect.context import FlowRunContext, get_run_context
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from policy.runs import CHUNKS_IN_FLIGHT
from schema.errors.analysis import ClusterUnavailable
from settings.environment import ClusterSettings
from tasks.resources import stopping

GIVE_UP_SECONDS = 15.0  # Prefect's worker and Kubernetes kill 30 s after the signal

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
        self._chunks: list[concurrent.futures.Future[Any]] = []

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
        chunk = super().submit(*args, **kwargs)
        self._chunks.append(chunk.wrapped_future)
        return chunk

    def __enter__(self) -> Self:
        """Start the threads."""
        stopping.begin()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect from the cluster and shut down the threads; after a signal, within seconds."""
        try:
            self._connected.close()
        finally:
            if kind is not None and not issubclass(kind, Exception):
                self._give_up()
            super().__exit__(kind, error, traceback)

    def _give_up(self) -> None:
        """Let the chunks release their messages, and leave behind those that hang."""
        stopping.request()
        executor, self._executor = self._executor, None  # else Prefect would wait for ever
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            concurrent.futures.wait(self._chunks, GIVE_UP_SECONDS)


def places() -> int:
    """Return how many chunks this flow run can process at once.

    Raises:
        ClusterUnavailable: If a cluster is configured but does not answer.
    """
    context = cast("FlowRunContext", get_run_context())
    return cast("ChunkTaskRunner", context.task_runner).places
