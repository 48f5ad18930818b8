"""The whole stack: a Prefect worker killed in the middle of a run costs no message."""

import io
import time
from uuid import uuid4

import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient
from rich.console import Console

from deployments.demo.analysis_run import DEPLOYMENT, run_analysis
from deployments.local import process
from deployments.local.stack import Stack
from stores import database
from tests.recordings import SENTENCES, flac_of

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

MESSAGES = 240


@pytest.fixture
def local_stack(tmp_path):
    tmp_path.chmod(0o711)
    stack = Stack(tmp_path / "stack")
    yield stack, stack.up(lambda step: None)
    stack.down()


@pytest.fixture
def messages(local_stack):
    """Messages that wait, a few recordings named by many; returns their ids."""
    _, where = local_stack
    ids = [str(uuid4()) for _ in range(MESSAGES)]
    bucket = where.s3.bucket()
    for number, sentence in enumerate(SENTENCES):
        bucket.put(f"audio/u/c/{number}.flac", flac_of(sentence), "audio/flac")
    rows = [
        {"id": ids[n], "text": SENTENCES[n % 4], "key": f"audio/u/c/{n % 4}.flac"}
        for n in range(MESSAGES)
    ]
    with database.connect(where.database_url.get_secret_value()).begin() as connection:
        connection.execute(
            sa.text("INSERT INTO conversations (id, target_language_id) VALUES ('c', 'en')")
        )
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                " audio_processing_state) VALUES (:id, 'c', 'user', :text, :key, 'uploaded')"
            ),
            rows,
        )
    return ids


def test_a_killed_worker_and_its_run_cost_nothing(local_stack, messages):
    stack, where = local_stack
    engine = database.connect(where.database_url.get_secret_value())

    def count(query):
        with engine.connect() as connection:
            return connection.execute(sa.text(f"SELECT count(*) FROM {query}")).scalar_one()

    with SyncPrefectClient(where.prefect_api_url) as client:
        deployment = client.read_deployment_by_name(f"{DEPLOYMENT}/{DEPLOYMENT}")
        client.create_flow_run_from_deployment(deployment.id, parameters={"chunk_size": 10})
    deadline = time.monotonic() + 120
    while not count("message_audio_analysis"):
        assert time.monotonic() < deadline, "the run never wrote a chunk"
        time.sleep(0.05)
    kill_worker_and_runs(stack.folder)
    assert count("messages WHERE audio_processing_state = 'analyzing'") > 0

    stack.up(lambda step: None)
    engine.dispose()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audio_ops.lease SET leased_until = now()"))
    run = run_analysis(
        where.prefect_api_url,
        engine,
        messages,
        fail_above_percent=0,
        log="the worker's log",
        console=Console(file=io.StringIO()),
    )
    assert run.state.is_completed()
    assert count("messages WHERE audio_processing_state = 'analyzed'") == MESSAGES
    assert count("audio_ops.analysis_history") == 0
    engine.dispose()


def kill_worker_and_runs(folder):
    """kill -9 the worker and every flow run it started."""
    doomed = []
    for candidate in process.marked(folder):
        command = " ".join(candidate.cmdline())
        if "prefect worker" in command:
            doomed += [candidate, *candidate.children(recursive=True)]
    assert len(doomed) > 1, "no run was in progress"
    for victim in doomed:
        victim.kill()
    psutil.wait_procs(doomed, timeout=30)
