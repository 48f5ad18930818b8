"""Chunks on a small cluster in this process."""

import time
from uuid import uuid4

import dask
import pytest
from distributed import Client, LocalCluster
from prefect import task
from prefect.states import Completed, Failed

from schema.errors.analysis import ChunkLost, ClusterUnavailable, WorkerNotReady
from tasks.runtime.dask_runner import DaskChunk, DaskChunkRunner


@pytest.fixture
def cluster(tmp_path):
    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),
        LocalCluster(
            n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def chunk(client):
    """Run a function on the cluster instead of a chunk."""
    return lambda *call, **options: DaskChunk(uuid4(), client.submit(*call, **options))


def test_a_finished_chunk_is_fetched_and_released_by_the_cluster(chunk, client):
    done = chunk(Completed, data=7)  # never fetched
    deadline = time.monotonic() + 10
    while client.futures:  # released by the client's own thread
        assert time.monotonic() < deadline
    assert done.result() == 7


def test_a_failed_chunk_raises_its_own_error(chunk):
    broken = chunk(Failed, data=WorkerNotReady("exit code 1"))
    assert isinstance(broken.result(raise_on_failure=False), WorkerNotReady)
    with pytest.raises(WorkerNotReady):
        broken.result()


def fail():
    message = "attempted on 4 workers"
    raise RuntimeError(message)


def test_a_chunk_that_dask_gave_up_is_lost(chunk):
    lost = chunk(fail)
    outcome = lost.result(raise_on_failure=False)
    assert isinstance(outcome, ChunkLost)
    assert outcome.reason == "attempted on 4 workers"
    with pytest.raises(ChunkLost):
        lost.result()


def test_patience_that_ends_loses_no_chunk(chunk):
    slow = chunk(lambda: time.sleep(0.5) or Completed(data=7))
    with pytest.raises(TimeoutError):
        slow.result(timeout=0.01)
    assert slow.result() == 7


def test_a_cluster_has_as_many_places_as_threads(cluster):
    with DaskChunkRunner(address=cluster.scheduler_address) as runner:
        assert runner.places == 3


def test_a_cluster_that_goes_away_has_no_places(cluster):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        DaskChunkRunner(address=cluster.scheduler_address) as runner,
    ):
        assert runner.client
        cluster.close()
        with pytest.raises(ClusterUnavailable, match="went away"):
            _ = runner.places


def test_a_cluster_that_was_given_up_has_no_places(cluster):
    with DaskChunkRunner(address=cluster.scheduler_address) as runner:
        runner.client.close()
        with pytest.raises(ClusterUnavailable, match="went away"):
            _ = runner.places


def test_encryption_without_certificates_is_reported():
    with (
        DaskChunkRunner(address="tls://127.0.0.1:8786") as runner,
        pytest.raises(ClusterUnavailable, match="ssl_context"),
    ):
        _ = runner.client


@task
def chunk_of_none():
    return 0


def test_nothing_is_submitted_to_a_cluster_that_was_given_up(cluster):
    with DaskChunkRunner(address=cluster.scheduler_address) as runner:
        runner.client.close()
        with pytest.raises(ClusterUnavailable, match="went away"):
            runner.submit(chunk_of_none, {})
