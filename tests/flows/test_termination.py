"""Runs that get a signal, as a worker starts them: they end in seconds and leave no lease."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client

from flows.analyze_messages import analyze_messages
from tests.support.faulty_bucket import calling_before
from tests.support.recordings import SENTENCES

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server", "stage"),
]

GRACE_SECONDS = 20  # Prefect's worker and Kubernetes kill after 30


@pytest.fixture
def start():
    """Start a flow as a process worker does; return its process."""
    started = []

    def _start(flow, **parameters):
        entrypoint = f"{flow.fn.__module__}.{flow.fn.__name__}"
        with get_client(sync_client=True) as client:
            flow_id = client.create_flow(flow)
            deployment = client.create_deployment(flow_id, "test", entrypoint=entrypoint)
            run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
        environment = os.environ | {"PREFECT__FLOW_RUN_ID": str(run.id)}
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect.engine"], env=environment, start_new_session=True
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait()


def end(process, signum):
    """Send a signal; return how long the process took to end with all of its children."""
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    process.send_signal(signum)
    process.wait(timeout=120)
    took = time.monotonic() - began
    print(f"TOOK {took:.1f}")
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    return took


def wait_until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


@pytest.fixture
def states(engine):
    def _states():
        with engine.connect() as connection:
            return dict(
                connection.execute(
                    sa.text("SELECT audio_processing_state, count(*) FROM messages GROUP BY 1")
                ).all()
            )

    return _states


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_chunk_that_waits_for_a_slow_bucket_is_given_up(
    upload, start, states, faulty_bucket, signum
):
    for number in range(60):
        upload(SENTENCES[number % 4])
    faulty_bucket.on("GetObject", calling_before(lambda _: time.sleep(3)))
    run = start(analyze_messages, workers=1)
    wait_until(lambda: states().get("analyzing"))
    time.sleep(5)
    assert end(run, signum) < GRACE_SECONDS
    assert not states().get("analyzing")
