"""Threads by default, a Dask cluster by its address."""

import sys

import dask
import pytest
from pydantic import ValidationError

from flows.analyze_messages import analyze_messages
from flows.backfill_analysis import backfill_analysis
from flows.work_on_backfill import work_on_backfill
from policy.runs import CHUNKS_IN_FLIGHT
from schema.errors.analysis import ClusterUnavailable
from tasks.runtime.chunk_runner import ChunkTaskRunner

NOBODY = "tcp://127.0.0.1:9"  # discard


@pytest.mark.parametrize("address", [None, ""])
def test_without_an_address_chunks_run_in_threads(monkeypatch, address):
    monkeypatch.delenv("KAIWA_DASK_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("KAIWA_DASK_ADDRESS", address)
    with ChunkTaskRunner() as runner:
        assert runner.cluster is None
        assert runner.places == CHUNKS_IN_FLIGHT


@pytest.mark.parametrize("flow", [analyze_messages, work_on_backfill, backfill_analysis])
def test_each_run_reads_the_settings_again(monkeypatch, flow):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", NOBODY)
    with flow.task_runner.duplicate() as runner:
        assert runner.cluster.address == NOBODY
    monkeypatch.delenv("KAIWA_DASK_ADDRESS")
    with flow.task_runner.duplicate() as runner:
        assert runner.cluster is None


@pytest.mark.parametrize("address", ["dask.example.org:8786", "tcp://dask.example.org", "8786"])
def test_an_invalid_address_is_refused(monkeypatch, address):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", address)
    with ChunkTaskRunner() as runner, pytest.raises(ValidationError, match="KAIWA_DASK_ADDRESS"):
        runner.submit(None)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", NOBODY)
    monkeypatch.delitem(sys.modules, "tasks.runtime.dask_runner", raising=False)
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    monkeypatch.setitem(sys.modules, "prefect_dask.client", None)
    with (
        ChunkTaskRunner() as runner,
        pytest.raises(ClusterUnavailable, match=r"prefect_dask.*is not installed.*extra `dask`"),
    ):
        runner.submit(None)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", NOBODY)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        ChunkTaskRunner() as runner,
        pytest.raises(ClusterUnavailable, match=f"{NOBODY}.*no scheduler answers"),
    ):
        _ = runner.places
