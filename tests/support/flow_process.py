"""Flows in processes of their own, which are killed at a step or get a signal.

Without Prefect a flow's function calls the functions of its tasks directly: nothing of the flow
and its tasks is left out but the Prefect server. Analyses are stubs; Postgres and bucket are real.
"""

import functools
import logging
import os
import runpy
import signal
import sys
from importlib import import_module

import boto3
import botocore.session
import great_expectations
from prefect import Task
from prefect.context import refresh_global_settings_context

from schema.documents import AnalysisRecord
from tasks.analysis import pool
from tasks.analysis.engines import installed_release
from tasks.analysis.workers import Analysed
from tasks.backfill import backfill_analysis
from tasks.costs import alerts, publication
from tasks.resources import database, storage
from tests.support import cutting_proxy
from tests.support.killing import PROCESSES

FLOWS = [
    "analyze_messages",
    "backfill_analysis",
    "check_quality",
    "erase_learner",
    "export_findings",
    "measure_costs",
    "place_legal_hold",
    "reconcile_bucket",
    "refresh_signed_urls",
    "release_legal_hold",
    "sweep_retention",
    "undo_backfill",
    "work_on_backfill",
]
for name in FLOWS:
    import_module(f"flows.{name}")
COMMIT = "COMMIT"
KILL, CUT, PAUSE = "kill", "cut", "pause"
CHANGING = ("DeleteObjects", "DeleteObject", "PutObject")
assert great_expectations  # imported once, before the processes are forked: it takes seconds
# Read once, before the processes are forked: a client's description takes 100 ms.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
boto3.session.Session(region_name="x", aws_access_key_id="x", aws_secret_access_key="x").client(
    "s3"
)


def run_flow(name, parameters, *, at=None, meanwhile=None):
    """Run a flow without Prefect in a process of its own.

    Args:
        name: Of the flow.
        parameters: Of the flow.
        at: What happens at steps, by number from 1: `KILL` the process, `CUT` the connection after
            the COMMIT, or `PAUSE` until `meanwhile` is done.
        meanwhile: Called while the process pauses.

    Returns:
        The steps it took; None if it was killed.
    """
    ours, theirs = PROCESSES.Pipe()
    arguments = (name, parameters, dict(os.environ), at or {}, theirs)
    process = PROCESSES.Process(target=_run, args=arguments, daemon=True)
    process.start()
    theirs.close()
    said = _hear(ours)
    if said == PAUSE:
        meanwhile()
        ours.send("go on")
        said = _hear(ours)
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return said


def _hear(pipe):
    try:
        return pipe.recv()
    except EOFError:  # it was killed
        return None


def _run(name, parameters, environment, at, parent):
    os.environ.update(environment)
    steps = []

    def step(what, connection=None):
        steps.append(what)
        happens = at.get(len(steps))
        if happens == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif happens == CUT:
            connection.execute(f"SELECT '{cutting_proxy.CUT}'")
        elif happens == PAUSE:
            parent.send(PAUSE)
            parent.recv()

    _do_without_prefect()
    _stub_slow_parts()
    _count_steps(step)
    flow = getattr(sys.modules[f"flows.{name}"], name)
    flow.fn(**parameters)
    parent.send(steps)


def _count_steps(step):
    """Let `step` be called around each change of the world: commit, bucket, file.

    A kill anywhere else leaves the same world as one at such a step.
    """
    dialect = database.engine().dialect
    commit = dialect.do_commit

    def do_commit(connection):
        with connection.cursor() as cursor:
            (changed,) = cursor.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()
        if changed:
            step(COMMIT, connection)
        commit(connection)
        if changed:
            step("committed")

    dialect.do_commit = do_commit
    events = storage.bucket().client.meta.events
    for operation in CHANGING:
        for moment in ("before-call", "after-call"):
            events.register(f"{moment}.s3.{operation}", lambda moment=moment, **_: step(moment))
    sys.addaudithook(lambda event, _: step(event) if event == "os.rename" else None)


class _Direct:
    """A task that is called without Prefect."""

    def __init__(self, task):
        self._call = task.fn

    def __call__(self, *arguments, **options):
        if options.pop("return_state", False):
            return self.submit(*arguments, **options)
        return self._call(*arguments, **options)

    def submit(self, *arguments, **options):
        return _Done(self._call(*arguments, **options))


class _Done:
    def __init__(self, result):
        self._result = result

    def result(self, **_):
        return self._result


def _do_without_prefect():
    replaced = {
        "get_run_logger": lambda: logging.getLogger("flow"),
        "as_completed": iter,
        "places": lambda: 1,
        "create_progress_artifact": lambda *_, **__: None,
        "update_progress_artifact": lambda *_, **__: None,
        "create_markdown_artifact": lambda *_, **__: None,
        "create_table_artifact": lambda *_, **__: None,
        "emit_event": lambda *_, **__: None,
    }
    for module in [m for n, m in sys.modules.items() if n.startswith(("flows.", "tasks."))]:
        for name, value in list(vars(module).items()):
            if isinstance(value, Task):
                setattr(module, name, _Direct(value))
            elif name in replaced and module.__name__ != "tasks.runtime.chunk_runner":
                setattr(module, name, replaced[name])
    alerts._emit = lambda *_: None


class _Workers:
    count = 2

    def __init__(self, engine):
        self._release = installed_release(engine)

    def analyse(self, message, audio, *, as_of):
        record = AnalysisRecord(
            message_id=message.message_id,
            analyzed_at=as_of,
            analysis_version=self._release.version,
            analysis_engine=self._release.engine,
            analysis_model_version=self._release.model_version,
            analysis_language="en",
            overall_accuracy_score=80,
            overall_fluency_score=70,
            speech_rate_wpm=100,
        )
        return Analysed(record, audio_seconds=4.0, cpu_seconds=0.1)


def _stub_slow_parts():
    pool.analysis_workers = lambda _count, engine: _Workers(engine)
    publication.charts = lambda _: {"stored": b"picture"}
    backfill_analysis.charts = lambda *_: {}


def start_engine(flow_run_id):
    """Start a flow run as Prefect's process worker does, but from imported modules."""
    environment = dict(os.environ) | {"PREFECT__FLOW_RUN_ID": str(flow_run_id)}
    process = PROCESSES.Process(target=_engine, args=(environment,))
    process.start()
    return process


def _engine(environment):
    os.environ.update(environment)
    refresh_global_settings_context()
    os.setsid()
    sys.argv = ["prefect.engine"]
    runpy.run_module("prefect.engine", run_name="__main__")
