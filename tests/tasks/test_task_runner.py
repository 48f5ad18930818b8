"""Threads by default, a Dask cluster by its address."""

import sys

import dask
import pytest
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import ValidationError

from flows.analyze_messages import analyze_messages
from flows.backfill_analysis import backfill_analysis
from flows.work_on_backfill import work_on_backfill
from schema.errors import ClusterUnavailable
from tasks.dask_task_runner import DaskChunkRunner
from tasks.task_runner import CHUNKS_IN_FLIGHT, ChunkTaskRunner

NOBODY = "tcp://127.0.0.1:9"  # discard


@pytest.mark.parametrize("address", [None, ""])
def test_without_an_address_chunks_run_in_threads(monkeypatch, address):
    monkeypatch.delenv("KAIWA_DASK_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("KAIWA_DASK_ADDRESS", address)
    runner = ChunkTaskRunner().duplicate()
    assert isinstance(runner, ThreadPoolTaskRunner)
    assert runner == ThreadPoolTaskRunner(max_workers=CHUNKS_IN_FLIGHT)


@pytest.mark.parametrize("flow", [analyze_messages, work_on_backfill, backfill_analysis])
def test_each_run_asks_the_settings_anew(monkeypatch, flow):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", NOBODY)
    assert flow.task_runner.duplicate().address == NOBODY
    monkeypatch.delenv("KAIWA_DASK_ADDRESS")
    assert isinstance(flow.task_runner.duplicate(), ThreadPoolTaskRunner)


@pytest.mark.parametrize("address", ["dask.example.org:8786", "tcp://dask.example.org", "8786"])
def test_an_address_that_is_none_is_refused(monkeypatch, address):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", address)
    with pytest.raises(ValidationError, match="KAIWA_DASK_ADDRESS"):
        ChunkTaskRunner().duplicate()


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", NOBODY)
    monkeypatch.delitem(sys.modules, "tasks.dask_task_runner")
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    monkeypatch.delitem(sys.modules, "prefect_dask.client")
    with pytest.raises(ClusterUnavailable, match=r"prefect_dask.*is not installed.*extra `dask`"):
        ChunkTaskRunner().duplicate()


def test_a_scheduler_that_does_not_answer_is_named():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "100ms"}),
        DaskChunkRunner(address=NOBODY) as runner,
        pytest.raises(ClusterUnavailable, match=NOBODY),
    ):
        _ = runner.client
