"""A backfill by a whole stack: suspended for approval, then children, one of them killed."""

import time
from uuid import uuid4

import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient

from deployments.local import process
from deployments.local.stack import Stack
from stores import analyses, database
from tests.backfilling import analysis
from tests.recordings import SENTENCES, flac_of

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

MESSAGES = 120


@pytest.fixture
def local_stack(tmp_path):
    tmp_path.chmod(0o711)
    stack = Stack(tmp_path / "stack")
    yield stack, stack.up(lambda step: None)
    stack.down()


@pytest.fixture
def engine(local_stack):
    _, where = local_stack
    engine = database.connect(where.database_url.get_secret_value())
    yield engine
    engine.dispose()


@pytest.fixture
def history(local_stack, engine):
    """Messages that an older engine scored very low, a few recordings named by many."""
    _, where = local_stack
    for number, sentence in enumerate(SENTENCES):
        where.s3.bucket().put(f"audio/u/c/{number}.flac", flac_of(sentence), "audio/flac")
    rows = [
        {"id": str(uuid4()), "text": SENTENCES[n % 4], "key": f"audio/u/c/{n % 4}.flac"}
        for n in range(MESSAGES)
    ]
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO conversations (id, target_language_id) VALUES ('c', 'en')")
        )
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                " audio_processing_state) VALUES (:id, 'c', 'user', :text, :key, 'analyzed')"
            ),
            rows,
        )
        analyses.upsert(connection, [analysis(row["id"], accuracy=5) for row in rows])


@pytest.fixture
def one(engine):
    """The only value that a query returns."""

    def _one(query):
        with engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()

    return _one


def until(look, what, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def flow_processes(stack):
    """Processes of flow runs by the deployment they run, the worker's children."""
    return [
        candidate
        for candidate in process.marked(stack.folder)
        if "prefect.engine" in " ".join(candidate.cmdline())
        or "flow-run execute" in " ".join(candidate.cmdline())
    ]


def test_a_person_lets_children_go_on_and_a_killed_one_costs_nothing(
    local_stack, engine, history, one
):
    stack, where = local_stack
    parameters = {
        "reason": "a better engine", "dry_run": False, "canary_size": 4, "chunk_size": 4,
        "max_parallel": 2,
    }  # fmt: skip
    with SyncPrefectClient(where.prefect_api_url) as client:
        name = "backfill-analysis/backfill-analysis"
        deployment = client.read_deployment_by_name(name)
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)

        def state(run_id):
            return client.read_flow_run(run_id).state

        until(lambda: state(run.id).is_paused(), "it never asked")
        done = "SELECT count(*) FROM audio_ops.backfill_item WHERE outcome = 'analyzed'"
        assert one(done) == 4
        until(lambda: not flow_processes(stack), "it kept its process")
        client.resume_flow_run(run.id, run_input={"backfill": 1, "approved_by": "Mori"})

        owner = "SELECT count(DISTINCT owner) FROM audio_ops.backfill_item WHERE token IS NOT NULL"
        until(lambda: one(owner) == 2, "no two children were ever at work")
        holder = one("SELECT owner FROM audio_ops.backfill_item WHERE token IS NOT NULL LIMIT 1")
        child = psutil.Process(int(holder.rpartition(":")[2]))
        for victim in [*child.children(recursive=True), child]:
            victim.kill()
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE audio_ops.backfill_item SET leased_until = now()"))

        until(lambda: state(run.id).is_final(), "it never ended", 300)
        assert state(run.id).is_completed()
    assert one(done) == MESSAGES
    assert one("SELECT count(*) FROM audio_ops.analysis_history") == MESSAGES
    assert one("SELECT approved_by FROM audio_ops.backfill") == "Mori"
