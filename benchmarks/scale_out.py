"""Four workers of four deployments share 20,000 messages, and one is killed every few seconds.

    python benchmarks/scale_out.py [--json]

First four processes claim and finish messages as fast as they can. Then four deployments of the
main flow, each served by a process of its own, analyse the rest; an analysis only takes time. Every
few seconds one of these processes is killed with all it started, and started again. At the end no
message may be lost, and none analysed twice. Postgres, Prefect's server and all workers share this
machine's cores.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
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

from benchmarks.claim import OPTIONS, waiting_database
from deployments.local.ports import choose_ports
from deployments.local.postgres import PostgresServer
from deployments.local.prefect import PrefectServer, prefect_environment
from stores import leases, messages
from stores.database import connect

WORKERS = 4
MESSAGES = 20_000
CLAIMED = 100  # at once
KILL_SECONDS = 5.0
LONGEST_SECONDS = 900.0
_DONE = "SELECT count(*) FROM messages WHERE audio_processing_state = 'analyzed'"


def claims_per_second(url: str) -> float:
    """Let four processes claim and finish all that waits; return messages a second."""
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(_connect_once, [url] * WORKERS))  # starting them is not claiming
        began = time.perf_counter()
        finished = sum(pool.map(_claim_and_finish, [url] * WORKERS))
        return finished / (time.perf_counter() - began)


def _connect_once(url: str) -> None:
    with connect(url).connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def _claim_and_finish(url: str) -> int:
    engine, finished = connect(url), 0
    while True:
        with engine.begin() as connection:
            claim = leases.claim(
                connection, limit=CLAIMED, owner="benchmark", duration=timedelta(minutes=15)
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

    def kill(self) -> None:
        """Kill it and everything it started, as when a machine goes away."""
        victims = psutil.Process(self._process.pid).children(recursive=True)
        for victim in (*victims, psutil.Process(self._process.pid)):
            victim.kill()
        self._process.wait()


def share_out(api_url: str, engine: sa.Engine, environment: dict[str, str]) -> dict[str, float]:
    """Let four workers analyse everything while one after the other is killed."""
    names = [f"scale-out-{number}" for number in range(WORKERS)]
    workers = [Worker(name, environment) for name in names]
    began, kills, ended = time.monotonic(), 0, False
    try:
        with SyncPrefectClient(api_url) as client:
            while not (ended := _count(engine, _DONE) == MESSAGES):
                if time.monotonic() - began > LONGEST_SECONDS:
                    break
                for name in names:
                    with suppress(PrefectHTTPStatusError):  # a busy server is asked again
                        _keep_running(client, name)
                time.sleep(KILL_SECONDS)
                victim = workers[kills % WORKERS]
                victim.kill()
                victim.start()
                kills += 1
    finally:
        for worker in workers:
            worker.kill()
    return {
        "duplicates": _count(engine, "SELECT count(*) FROM audio_ops.analysis_history"),
        "lost": MESSAGES - _count(engine, _DONE),
        "kills": kills,
        "seconds": time.monotonic() - began,
        "ended": ended,
    }


def _keep_running(client: SyncPrefectClient, name: str) -> None:
    """Ask for a run of a deployment unless one is scheduled; runs of killed workers stay behind."""
    try:
        deployment = client.read_deployment_by_name(f"stubbed-analysis/{name}")
    except ObjectNotFound:  # its process has not got so far
        return
    waiting = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type={"any_": [StateType.SCHEDULED]})
        ),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
    )
    if not waiting:
        client.create_flow_run_from_deployment(deployment.id, parameters={"limit": MESSAGES})


def _count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def measure() -> dict[str, float]:
    """Return all figures."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-benchmark-"))
    folder.chmod(0o711)  # run as root, Postgres is another user
    postgres, prefect = PostgresServer(folder / "postgres", OPTIONS), PrefectServer(folder)
    postgres.start()
    try:
        fast = waiting_database(postgres, MESSAGES, "fast")
        rate = claims_per_second(postgres.url("fast"))
        fast.dispose()
        engine = waiting_database(postgres, MESSAGES, "shared")
        api_url = prefect.start(choose_ports(("prefect",), folder / "ports.json")["prefect"])
        environment = prefect_environment(
            folder, PREFECT_API_URL=api_url, DATABASE_URL=postgres.url("shared")
        )
        figures = share_out(api_url, engine, environment)
        engine.dispose()
    finally:
        prefect.stop()
        postgres.stop()
    return {"claims_per_second": rate} | figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure()
    print(
        f"{figures['claims_per_second']:,.0f} messages a second claimed and finished by "
        f"{WORKERS} processes, {CLAIMED} at once\n"
        f"{MESSAGES:,} messages by {WORKERS} workers, one of them killed every "
        f"{KILL_SECONDS:.0f} s, {figures['kills']} times in {figures['seconds']:.0f} s: "
        f"{figures['duplicates']} analysed twice, {figures['lost']} lost"
    )
    if arguments.json:
        print(json.dumps(figures))
