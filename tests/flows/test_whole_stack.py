"""The whole stack: runs that wait for a person, and kills that lose no message."""

import io
import time
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest
import sqlalchemy as sa
from rich.console import Console

from local import process
from local.demo.analysis_run import DEPLOYMENT, run_analysis
from local.demo.deployment_run import client_of
from local.stack import Stack
from stores import database
from stores.analysis import analyses
from tests.support.backfilling import analysis
from tests.support.recordings import SENTENCES, flac_of

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

HISTORY, WAITING = 240, 240


@pytest.fixture(scope="module")
def local_stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("children")
    folder.chmod(0o711)
    stack = Stack(folder / "stack")
    yield stack, stack.up(lambda step: None)
    stack.down()


@pytest.fixture(autouse=True)
def whole_again(local_stack):
    """Restart processes that an earlier test killed."""
    stack, _ = local_stack
    if not all(stack.status().values()):
        stack.up(lambda step: None)


@pytest.fixture
def engine(local_stack):
    _, where = local_stack
    engine = database.connect(where.database_url.get_secret_value())
    yield engine
    engine.dispose()


@pytest.fixture
def conversation_id():
    return str(uuid4())


@pytest.fixture
def speak(local_stack, engine, conversation_id):
    """Add messages that share a few recordings to the conversation; return their ids."""
    _, where = local_stack
    for number, sentence in enumerate(SENTENCES):
        where.s3.bucket().put(f"audio/u/c/{number}.flac", flac_of(sentence), "audio/flac")

    def _speak(count, state):
        rows = [
            {
                "id": str(uuid4()), "conversation_id": conversation_id, "text": SENTENCES[n % 4],
                "key": f"audio/u/c/{n % 4}.flac", "state": state,
            }
            for n in range(count)
        ]  # fmt: skip
        with engine.begin() as connection:
            connection.execute(
                sa.text("INSERT INTO conversations (id, target_language_id) VALUES (:id, 'en')"),
                {"id": conversation_id},
            )
            connection.execute(
                sa.text(
                    "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                    " audio_processing_state)"
                    " VALUES (:id, :conversation_id, 'user', :text, :key, :state)"
                ),
                rows,
            )
        return [row["id"] for row in rows]

    return _speak


@pytest.fixture
def history(engine, speak):
    """A conversation with very low scores by an older engine."""
    ids = speak(HISTORY, "analyzed")
    with engine.begin() as connection:
        analyses.upsert(connection, [analysis(id_, accuracy=5) for id_ in ids])


@pytest.fixture
def one(engine, conversation_id):
    """Return the only value of a query's result; `:conversation` is the test's."""

    def _one(query):
        with engine.connect() as connection:
            arguments = {"conversation": conversation_id} if ":conversation" in query else {}
            return connection.execute(sa.text(query), arguments).scalar_one()

    return _one


@pytest.fixture
def begin(local_stack, conversation_id, history):
    """Start a run of `backfill-analysis`; return a function that reads its state."""
    _, where = local_stack
    with client_of(where.prefect) as client:

        def _begin(**parameters):
            name = "backfill-analysis/backfill-analysis"
            deployment = client.read_deployment_by_name(name)
            parameters = {
                "reason": "a better engine", "dry_run": False, "canary_size": 4, "chunk_size": 4,
                "conversation_ids": [conversation_id], "max_parallel": 2, **parameters,
            }  # fmt: skip
            run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
            return run, lambda: client.read_flow_run(run.id).state, client

        yield _begin


def until(look, what, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def running(stack, *commands):
    """Return processes of the stack whose command contains one of these."""
    found = []
    for candidate in process.marked(stack.folder):
        with suppress(psutil.NoSuchProcess):  # it just ended
            if any(command in " ".join(candidate.cmdline()) for command in commands):
                found.append(candidate)
    return found


def kill_with_children(processes):
    victims = [p for one in processes for p in (one, *one.children(recursive=True))]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims, timeout=30)
    return victims


MINE = """audio_ops.backfill_item AS i JOIN messages AS m ON m.id = i.message_id
WHERE m.conversation_id = :conversation"""
DONE = f"SELECT count(*) FROM {MINE} AND i.outcome = 'analyzed'"
AT_WORK = f"SELECT count(DISTINCT i.owner) FROM {MINE} AND i.token IS NOT NULL"
BACKFILL = f"SELECT DISTINCT i.backfill_id FROM {MINE}"
OVERWRITTEN = """SELECT count(*) FROM audio_ops.analysis_history AS h
JOIN messages AS m ON m.id = h.message_id WHERE m.conversation_id = :conversation"""


def end_leases(engine):
    with engine.begin() as connection:
        for table in ("lease", "backfill_item"):
            connection.execute(sa.text(f"UPDATE audio_ops.{table} SET leased_until = now()"))


def test_a_person_lets_children_go_on_and_a_killed_one_costs_nothing(
    local_stack, engine, begin, one
):
    stack, _ = local_stack
    run, state, client = begin()
    until(lambda: state().is_paused(), "it never asked")
    assert one(DONE) == 4
    until(lambda: not running(stack, "prefect.engine", "flow-run execute"), "it kept its process")
    number = one(BACKFILL)
    client.resume_flow_run(run.id, run_input={"backfill_id": number, "approved_by": "Mori"})

    until(lambda: one(AT_WORK) == 2, "no two children were ever at work")
    holder = until(
        lambda: one(f"SELECT max(i.owner) FROM {MINE} AND i.token IS NOT NULL"),
        "nobody was at work",
    )
    kill_with_children([psutil.Process(int(holder.rpartition(":")[2]))])
    end_leases(engine)

    until(lambda: state().is_final(), "it never ended", 300)
    assert state().is_completed()
    assert one(DONE) == HISTORY
    assert one(OVERWRITTEN) == HISTORY
    assert one(f"SELECT approved_by FROM audio_ops.backfill WHERE id = {number}") == "Mori"


def test_with_worker_parent_and_children_killed_a_resumed_run_does_the_rest(
    local_stack, engine, begin, one
):
    stack, _ = local_stack
    begin(max_mean_shift=100)
    until(lambda: one(AT_WORK) == 2, "no two children were ever at work")
    kill_worker_and_runs(stack)
    done = one(DONE)
    assert 4 <= done < HISTORY
    assert one(AT_WORK) > 0, "nobody was killed in the middle of his work"

    stack.up(lambda step: None)
    end_leases(engine)
    _, state, _ = begin(resume=one(BACKFILL))
    until(lambda: state().is_final(), "it never ended", 300)
    assert state().is_completed()
    assert one(DONE) == HISTORY
    assert one(OVERWRITTEN) == HISTORY


def test_a_killed_worker_and_its_run_cost_nothing(local_stack, engine, speak, one):
    stack, where = local_stack
    ids = speak(WAITING, "uploaded")
    with client_of(where.prefect) as client:
        deployment = client.read_deployment_by_name(f"{DEPLOYMENT}/{DEPLOYMENT}")
        client.create_flow_run_from_deployment(deployment.id, parameters={"chunk_size": 10})
    analysed = """SELECT count(*) FROM message_audio_analysis AS a
        JOIN messages AS m ON m.id = a.message_id WHERE m.conversation_id = :conversation"""
    until(lambda: one(analysed) > 0, "the run never wrote a chunk")
    kill_worker_and_runs(stack)
    in_state = """SELECT count(*) FROM messages WHERE conversation_id = :conversation
        AND audio_processing_state = """
    assert one(f"{in_state} 'analyzing'") > 0

    stack.up(lambda step: None)
    end_leases(engine)
    run = run_analysis(
        where.prefect,
        engine,
        ids,
        fail_above_percent=0,
        log="the worker's log",
        console=Console(file=io.StringIO()),
    )
    assert run.state.is_completed()
    assert one(f"{in_state} 'analyzed'") == WAITING
    assert one(OVERWRITTEN) == 0


def kill_worker_and_runs(stack):
    """kill -9 the worker and every flow run it started."""
    victims = kill_with_children(running(stack, "prefect worker"))
    assert len(victims) > 1, "no run was in progress"
