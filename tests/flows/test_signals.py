"""Runs that get a signal, as a worker starts them: they end in seconds and leave no lease."""

import os
import signal
import time
from uuid import uuid4

import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client

import flows.analyze_messages
import flows.backfill_analysis
from schema.states import HoldScope
from tests.support.faulty_bucket import calling_before
from tests.support.flow_process import FLOWS, start_engine
from tests.support.recordings import SENTENCES
from tests.support.sweeping import DAY

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server", "stage"),
]

GRACE_SECONDS = 20  # Prefect's worker and Kubernetes kill after 30
PARAMETERS = {
    "backfill_analysis": {"reason": "a better engine", "dry_run": False},
    "erase_learner": {"user_id": str(uuid4()), "reason": "request 7", "dry_run": False},
    "place_legal_hold": {
        "scope": HoldScope.MESSAGE, "subject_id": "x", "reason": "case 7", "placed_by": "Mori",
    },
    "release_legal_hold": {"hold_id": 1, "released_by": "Mori"},
    "sweep_retention": {"dry_run": False},
    "undo_backfill": {"backfill_id": 1, "reason": "worse"},
    "work_on_backfill": {"backfill_id": 1},
}  # fmt: skip
LOCK_EVERYTHING = sa.text(
    "LOCK TABLE messages, message_audio_analysis, audio_ops.backfill, audio_ops.legal_hold"
    " IN ACCESS EXCLUSIVE MODE"
)
OTHERS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'kaiwa-audio' AND state <> 'idle' AND pid <> pg_backend_pid()"
)
BLOCKED = sa.text("SELECT client_port FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
ANALYZING = sa.text("SELECT count(*) FROM messages WHERE audio_processing_state = 'analyzing'")
LEASED = sa.text("SELECT count(*) FROM audio_ops.backfill_item WHERE token IS NOT NULL")


@pytest.fixture
def start():
    """Start a flow as a process worker does; return its process."""
    started = []

    def _start(name, **parameters):
        flow = getattr(getattr(flows, name), name)
        with get_client(sync_client=True) as client:
            deployment = client.create_deployment(
                client.create_flow(flow), "test", entrypoint=f"flows.{name}.{name}"
            )
            run = client.create_flow_run_from_deployment(deployment, parameters=parameters)
        started.append(start_engine(run.id))
        return started[-1]

    yield _start
    for process in started:
        process.kill()
        process.join()


def end(process, signum):
    """Send a signal; return how long the process and all of its children took to end."""
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    os.kill(process.pid, signum)
    process.join(90)
    psutil.wait_procs(children, timeout=10)
    assert process.exitcode is not None
    assert not any(child.is_running() for child in children)
    return time.monotonic() - began


@pytest.fixture
def count(engine):
    def _count(query):
        with engine.connect() as connection:
            return connection.scalar(query)

    return _count


@pytest.fixture
def wait_for(count):
    """Wait until a query counts something."""

    def _wait_for(query):
        deadline = time.monotonic() + 60
        while not count(query):
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.05)

    return _wait_for


def test_every_flow_that_waits_for_a_lock_ends(start, engine, count):
    with engine.begin() as other:
        other.execute(LOCK_EVERYTHING)
        runs = {name: start(name, **PARAMETERS.get(name, {})) for name in FLOWS}
        wait_until_blocked(engine, runs.values())
        seconds = {name: end(run, signal.SIGTERM) for name, run in runs.items()}
    assert all(taken < GRACE_SECONDS for taken in seconds.values()), seconds
    time.sleep(0.2)
    assert count(OTHERS) == 0


def wait_until_blocked(engine, runs):
    """Wait until each of these processes has a session that waits for a lock."""
    deadline = time.monotonic() + 200
    for run in runs:
        ports = set()
        while not ports & {link.laddr.port for link in psutil.Process(run.pid).net_connections()}:
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.1)
            with engine.connect() as connection:
                ports = set(connection.execute(BLOCKED).scalars())


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_chunk_that_waits_for_a_slow_bucket_is_given_up(
    upload, start, wait_for, count, faulty_bucket, signum
):
    for number in range(40):
        upload(SENTENCES[number % 4])
    faulty_bucket.on("GetObject", calling_before(lambda _: time.sleep(5)))
    run = start("analyze_messages", workers=1)
    wait_for(ANALYZING)
    time.sleep(1)
    assert end(run, signum) < GRACE_SECONDS
    assert count(ANALYZING) == 0


def test_a_backfill_that_waits_for_a_slow_bucket_is_given_up(
    upload, start, wait_for, count, faulty_bucket
):
    for number in range(40):
        upload(SENTENCES[number % 4], audio_processing_state="analyzed")
    faulty_bucket.on("GetObject", calling_before(lambda _: time.sleep(5)))
    parameters = {"selection": "missing", "canary_size": 0, **PARAMETERS["backfill_analysis"]}
    run = start("backfill_analysis", **parameters)
    wait_for(LEASED)
    time.sleep(1)
    assert end(run, signal.SIGTERM) < GRACE_SECONDS
    assert count(LEASED) == 0


def test_a_chunk_that_waits_for_the_database_is_given_up(upload, start, wait_for, postgres):
    for number in range(100):
        upload(SENTENCES[number % 4])
    run = start("analyze_messages", workers=1, chunk_size=5)
    wait_for(sa.text("SELECT count(*) FROM message_audio_analysis"))
    port = postgres.url().rpartition(":")[2].partition("/")[0]
    postgres.stop()
    try:
        time.sleep(3)
        assert end(run, signal.SIGTERM) < GRACE_SECONDS
    finally:
        postgres.start(int(port))


def test_a_sweep_that_waits_for_the_bucket_is_given_up(record, start, faulty_bucket):
    for _ in range(3):
        record(due_for=DAY)
    asked = []
    faulty_bucket.on("DeleteObjects", calling_before(lambda _: (asked.append(1), time.sleep(30))))
    run = start("sweep_retention", dry_run=False, max_share_percent=100.0)
    deadline = time.monotonic() + 60
    while not asked:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert end(run, signal.SIGTERM) < GRACE_SECONDS
