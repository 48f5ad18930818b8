"""Chunks on a real Dask cluster: a scheduler and workers in separate processes."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import sqlalchemy as sa

from flows.analyze_messages import analyze_messages
from flows.backfill_analysis import backfill_analysis
from schema.errors.analysis import RunIncomplete
from schema.states import BackfillOutcome
from tasks.analysis import pool
from tasks.resources import storage
from tests.support.recordings import SENTENCES, flac_of

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server", "stage"),
]

MESSAGES = 48
CHUNK_SIZE = 4
FEW = 12


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def kill_with_children(process):
    """kill -9 a process, and wait for its children to end by themselves."""
    children = process.children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


@pytest.fixture
def start(tmp_path):
    """Start a part of the cluster until the end of the test; return its process."""
    started = []

    def _start(*command):
        with (tmp_path / f"{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=log, stderr=log, cwd=tmp_path
            )
        started.append(psutil.Process(process.pid))
        return started[-1]

    yield _start
    for process in started:
        if process.is_running():
            kill_with_children(process)


@pytest.fixture
def cluster(stage, start, tmp_path, monkeypatch):
    """Run chunks on two Dask workers, one chunk at a time each; returns scheduler and workers.

    They take database and bucket from their environment, which is this test's.
    """
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(tmp_path))
    file = tmp_path / "scheduler.json"
    scheduler = start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--dashboard-address", ":0", "--scheduler-file", str(file),
    )  # fmt: skip
    address = wait_until(lambda: file.exists() and json.loads(file.read_text())["address"])
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", address)
    workers = [
        start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        for _ in range(2)
    ]
    return scheduler, workers


@pytest.fixture
def leases(engine):
    """Return owner and token of each current claim."""

    def _leases():
        query = sa.text("SELECT DISTINCT owner, token FROM audio_ops.lease WHERE token IS NOT NULL")
        with engine.connect() as connection:
            return {(int(row.owner.split(":")[1]), row.token) for row in connection.execute(query)}

    return _leases


@pytest.fixture
def kill_in_a_chunk(engine, leases):
    """Kill a worker in the middle of its second chunk or later; return all owners of leases."""

    def _kill_in_a_chunk(victim):
        seen = set()

        def has_begun_another():
            seen.update(leases())
            mine = {token for pid, token in seen if pid == victim.pid}
            return len(mine) > 1 and len({pid for pid, _ in seen}) > 1

        def hold(connection):
            """Lock the leases of its chunk, so that it cannot be written; 0 if it has ended."""
            connection.rollback()
            query = sa.text("SELECT FROM audio_ops.lease WHERE owner LIKE :owner FOR UPDATE")
            return connection.execute(query, {"owner": f"%:{victim.pid}"}).rowcount

        with engine.connect() as connection:
            wait_until(lambda: has_begun_another() and hold(connection))
            kill_with_children(victim)
        return {pid for pid, _ in seen}

    return _kill_in_a_chunk


@pytest.fixture
def expire(engine):
    """Let all leases expire."""

    def _expire():
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE audio_ops.lease SET leased_until = now() - interval '1 second'")
            )

    return _expire


def test_a_dask_worker_killed_in_a_chunk_loses_and_doubles_nothing(
    cluster, upload, count, expire, kill_in_a_chunk
):
    for number in range(MESSAGES):
        upload(SENTENCES[number % len(SENTENCES)])
    _, (victim, survivor) = cluster
    with ThreadPoolExecutor(1) as threads:
        killer = threads.submit(kill_in_a_chunk, victim)
        report = analyze_messages(chunk_size=CHUNK_SIZE, workers=1)
    assert killer.result() == {victim.pid, survivor.pid}
    assert report.analyzed == MESSAGES - CHUNK_SIZE
    assert count("messages WHERE audio_processing_state = 'analyzing'") == CHUNK_SIZE
    expire()
    assert analyze_messages(workers=1).analyzed == CHUNK_SIZE
    assert count("messages WHERE audio_processing_state = 'analyzed'") == MESSAGES
    assert count("message_audio_analysis WHERE analysis_error IS NULL") == MESSAGES
    assert count("audio_ops.analysis_history") == 0
    assert count("audio_ops.lease") == 0


def test_a_scheduler_that_is_killed_fails_the_run_and_costs_no_message(
    cluster, upload, count, expire, leases, monkeypatch
):
    for number in range(FEW):
        upload(SENTENCES[number % len(SENTENCES)])
    scheduler, workers = cluster
    with ThreadPoolExecutor(1) as threads:
        killer = threads.submit(lambda: wait_until(leases) and kill_with_children(scheduler))
        with pytest.raises(RunIncomplete, match="Failed chunks"):
            analyze_messages(chunk_size=CHUNK_SIZE, workers=1)
    killer.result()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive  # without a scheduler they end, so that a supervisor restarts them
    expire()
    monkeypatch.setenv("KAIWA_DASK_ADDRESS", "")
    analyze_messages()
    assert count("messages WHERE audio_processing_state = 'analyzed'") == FEW
    assert count("audio_ops.analysis_history") == 0


@pytest.mark.usefixtures("cluster")
def test_a_backfill_and_what_learners_wait_for_are_analysed_on_the_cluster(
    upload, add_scored, count, monkeypatch
):
    monkeypatch.setattr(pool, "analysis_workers", None)  # in this process
    for number in range(FEW):
        key = f"audio/u/c/{number}.flac"
        storage.bucket().put(key, flac_of(SENTENCES[number % 4]), "audio/flac")
        add_scored(message={"content": SENTENCES[number % 4], "audio_storage_key": key})
    upload(SENTENCES[0])  # served first, during the backfill
    progress = backfill_analysis(
        "a better engine", dry_run=False, canary_size=0, chunk_size=CHUNK_SIZE, max_mean_shift=100
    )
    assert progress.outcomes == {BackfillOutcome.ANALYZED: FEW}
    assert count("messages WHERE audio_processing_state = 'analyzed'") == FEW + 1
