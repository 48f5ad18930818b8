"""Share 20,000 messages among four workers while killing one every few seconds.

    python benchmarks/scale_out.py [--smoke] [--json]

First four processes claim and finish messages as fast as they can. Then four deployments of the
main flow, each served by a separate process, process the rest with analyses that only sleep. Every
few seconds one of these processes is killed with its children and restarted. At the end no message
may be lost or analysed twice. Postgres, Prefect's server and all workers share this machine's
cores.
"""

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from benchmarks import frame, servers
from benchmarks.claim import waiting_database
from local.addresses import PrefectAddress
from local.demo.deployment_run import client_of
from local.ports import choose_ports
from local.prefect import PrefectServer, prefect_environment
from stores.analysis import leases, messages
from stores.database import connect

CLAIMED = 100  # at once
LONGEST_SECONDS = 900.0
# The settings require name and address; nothing connects to it.
BUCKET = {
    "TIGRIS_BUCKET_NAME": "audio",
    "TIGRIS_ENDPOINT": "http://127.0.0.1:9",
    "TIGRIS_ACCESS_KEY_ID": "none",
    "TIGRIS_SECRET_ACCESS_KEY": "none",
}
_HELD = "SELECT count(*) FROM audio_ops.lease WHERE token IS NOT NULL AND owner = ANY(:owners)"
_RECORDS = {
    "task_runs": "SELECT count(*) FROM task_run",
    "task_states": "SELECT count(*) FROM task_run_state",
    "logs": "SELECT count(*) FROM log",
    "events": "SELECT count(*) FROM events",
}
_WAITING = "SELECT count(*) FROM messages WHERE audio_processing_state = 'uploaded'"
_DONE = "SELECT count(*) FROM messages WHERE audio_processing_state = 'analyzed'"


def claims_per_second(url: str, workers: int) -> float:
    """Let some processes claim and finish all waiting messages; return messages per second."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_connect_once, [url] * workers))  # do not measure their start
        began = time.perf_counter()
        finished = sum(pool.map(_claim_and_finish, [url] * workers))
        return finished / (time.perf_counter() - began)


def _connect_once(url: str) -> None:
    with connect(url).connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def _claim_and_finish(url: str) -> int:
    engine, finished = connect(url), 0
    while True:
        with engine.begin() as connection:
            claim = leases.claim(
                connection,
                languages=["en"],
                limit=CLAIMED,
                owner="benchmark",
                duration=timedelta(minutes=15),
            )
        if claim is None:
            engine.dispose()
            return finished
        ids = [message.message_id for message in claim.messages]
        with engine.begin() as connection:
            held = leases.lock_held(connection, claim.token, ids)
            messages.mark_analyzed(connection, [(id_, 80, 70, 100) for id_ in held])
        finished += len(held)


class Worker:
    """A process that serves one deployment; killed and started again."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self._name, self._environment = name, environment
        self.start()

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stubbed_analysis", self._name],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def holds(self, engine: sa.Engine) -> int:
        """Count the messages that it has claimed and not finished."""
        owners = [f"{socket.gethostname()}:{process.pid}" for process in self._processes()]
        return _count(engine, _HELD, owners=owners)

    def kill(self) -> None:
        """Kill it and its children, as when a machine fails."""
        for process in reversed(self._processes()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _processes(self) -> list[psutil.Process]:
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]


def share_out(
    server: PrefectAddress,
    engine: sa.Engine,
    environment: dict[str, str],
    names: Sequence[str],
    kill_seconds: float,
) -> dict[str, float]:
    """Process the waiting messages with one worker per name, killing busy ones in turn."""
    total = _count(engine, _WAITING)
    workers = deque(Worker(name, environment) for name in names)
    ended = threading.Event()
    asking = threading.Thread(target=_keep_running, args=(server, names, total, ended))
    asking.start()
    began, last_kill, kills, held = time.monotonic(), time.monotonic(), 0, 0
    try:
        while _count(engine, _DONE) < total and time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(0.2)
            victim = workers[0]
            if time.monotonic() - last_kill < kill_seconds or not (holds := victim.holds(engine)):
                continue
            victim.kill()
            victim.start()
            workers.rotate(-1)
            kills, held, last_kill = kills + 1, held + holds, time.monotonic()
    finally:
        ended.set()
        asking.join()
        for worker in workers:
            worker.kill()
    return {
        "duplicates": _count(engine, "SELECT count(*) FROM audio_ops.analysis_history"),
        "lost": total - _count(engine, _DONE),
        "kills": kills,
        "held_when_killed": held,
        "seconds": time.monotonic() - began,
    }


def _keep_running(
    server: PrefectAddress, names: Sequence[str], limit: int, ended: threading.Event
) -> None:
    """Keep a scheduled run for each deployment, since runs of killed workers never finish."""
    with client_of(server) as client:
        while not ended.wait(1):
            for name in names:
                with suppress(PrefectHTTPStatusError):  # retried when the server is busy
                    _ask_for_a_run(client, name, limit)


def _ask_for_a_run(client: SyncPrefectClient, name: str, limit: int) -> None:
    try:
        deployment = client.read_deployment_by_name(f"stubbed-analysis/{name}")
    except ObjectNotFound:  # not registered yet
        return
    waiting = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type={"any_": [StateType.SCHEDULED]})
        ),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
    )
    if not waiting:
        client.create_flow_run_from_deployment(deployment.id, parameters={"limit": limit})


def _count(engine: sa.Engine, query: str, **arguments: object) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query), arguments).scalar_one())


def prefect_records(folder: Path, messages: int) -> dict[str, float]:
    """Count the records of Prefect's server per 1,000 messages."""
    path = folder / "prefect" / "prefect.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {
            f"prefect_{table}_per_1000": 1000 * connection.execute(query).fetchone()[0] / messages
            for table, query in _RECORDS.items()
        }


def measure(messages: int, workers: int, kill_seconds: int) -> frame.Figures:
    """Return the figures of bare claiming and of the deployments that share the messages."""
    with servers.private_folder() as folder, servers.postgres() as postgres:
        waiting_database(postgres, messages, "fast").dispose()
        rate = claims_per_second(postgres.url("fast"), workers)
        engine = waiting_database(postgres, messages, "shared")
        prefect = PrefectServer(folder)
        server = prefect.start(choose_ports(("prefect",), folder / "ports.json")["prefect"])
        try:
            environment = prefect_environment(
                folder,
                **server.environment(),
                PREFECT_RUNNER_POLL_FREQUENCY="2",
                PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL="WARNING",  # as in our work pools
                DATABASE_URL=postgres.url("shared"),
                **BUCKET,
            )
            names = [f"scale-out-{number}" for number in range(workers)]
            figures = share_out(server, engine, environment, names, kill_seconds)
        finally:
            engine.dispose()
            prefect.stop()
        figures |= prefect_records(folder, messages)
    return {"claims_per_second": rate} | figures


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "messages": frame.Size(20_000, smoke=400, help="messages that the workers share"),
            "workers": frame.Size(4, smoke=2, help="workers, each of its own deployment"),
            "kill_seconds": frame.Size(5, smoke=60, help="seconds between two kills, at least"),
        },
    )
