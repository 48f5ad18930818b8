"""Task runner for chunks on a Dask cluster; needs the extra `dask`."""

import threading
from typing import Any
from uuid import UUID

from distributed import Future
from distributed.client import ClosedClientError
from prefect.states import Crashed
from prefect_dask.client import PrefectDaskClient
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

from policy.runs import CHUNKS_IN_FLIGHT
from schema.errors.analysis import ChunkLost, ClusterUnavailable


class DaskChunk(PrefectDaskFuture[Any]):
    """A chunk on the cluster; if Dask loses it, it ends as crashed.

    The result is fetched as soon as it is available. If it stayed on its worker and that worker
    died, Dask would run the chunk again.
    """

    def __init__(self, task_run_id: UUID, wrapped_future: "Future[Any]") -> None:
        super().__init__(task_run_id, wrapped_future)
        self._fetching = threading.Lock()
        self.add_done_callback(lambda _: self.wait())

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the chunk is done or lost, and release it on the cluster."""
        with self._fetching:
            if self._final_state:
                return
            try:
                self._final_state = self._wrapped_future.result(timeout)
            except Exception as error:  # noqa: BLE001 - the chunk's own errors are in its state
                if timeout is not None and isinstance(error, TimeoutError):
                    return  # our own timeout
                self._final_state = Crashed(data=ChunkLost(" ".join(str(error).split())))
            self._wrapped_future.release()

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:  # noqa: ANN401 - Prefect's signature
        """Return the chunk's result, or its error if `raise_on_failure` is false."""
        self.wait(timeout)
        return super().result(timeout, raise_on_failure)


class DaskChunkRunner(DaskTaskRunner):
    """Submits chunks to a running cluster."""

    @property
    def client(self) -> PrefectDaskClient:
        """Return the connection to the scheduler, opened at first use.

        Raises:
            ClusterUnavailable: If no scheduler answers, or the certificates are missing.
        """
        try:
            return super().client
        except OSError as error:
            raise ClusterUnavailable(str(self.address), "no scheduler answers there") from error
        except TypeError as error:  # raised by Dask for tls:// without certificates
            raise ClusterUnavailable(str(self.address), str(error)) from error

    @property
    def places(self) -> int:
        """Number of chunks that the cluster can currently run at once."""
        client = self.client
        if client.status not in {"running", "connecting"}:
            raise ClusterUnavailable(str(self.address), "its scheduler went away")
        try:
            threads: dict[str, int] = client.nthreads()
        except (OSError, RuntimeError) as error:
            raise ClusterUnavailable(str(self.address), "its scheduler went away") from error
        return max(sum(threads.values()), CHUNKS_IN_FLIGHT)  # workers may still be starting

    def submit(self, *args: Any, **kwargs: Any) -> DaskChunk:  # type: ignore[override]  # noqa: ANN401 - two overloads, passed on
        """Submit a chunk.

        Raises:
            ClusterUnavailable: If the connection is lost.
        """
        try:
            chunk = super().submit(*args, **kwargs)
        except ClosedClientError as error:
            raise ClusterUnavailable(str(self.address), "its scheduler went away") from error
        return DaskChunk(chunk.task_run_id, chunk.wrapped_future)
