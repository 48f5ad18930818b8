"""A process that has been taken over tries to get out."""

import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from schema.errors.analysis import WorkerNotReady
from schema.states import AnalysisEngine
from settings.environment import AnalysisSettings
from tasks.analysis import server_process, wire
from tasks.analysis.process import Unanswered
from tasks.analysis.server_process import AnalysisServer
from tasks.analysis.workers import AnalysisWorkers
from tasks.sandbox.lockdown import lock_down
from tests.support import canary, hostile_server

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Landlock, seccomp and limits of memory are Linux's"
)

SECRET_NAMES = (
    "DATABASE_URL",
    "TIGRIS_SECRET_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "KAIWA_NOTIFICATION_WEBHOOK_URL",
)
# What the layers below seccomp hold alone: files that exist already, and what needs no descriptor.
NEEDS_LANDLOCK = {
    "truncate a file",
    "delete a file",
    "rename a file",
    "link a file",
    "make a folder",
}
NEEDS_SECCOMP = {"limit the parent"}  # a process of the same user may
# Tried in no process that could succeed: these would stop the test or replace the process.
SPARED = ["run a program", "trace the parent", "trace the server", "limit the parent"]
NEEDS_ROOT = {  # or a network, or Linux
    "read the parent's environment",
    "read the parent's memory",
    "read the server's environment",
    "read the server's memory",
    "list descriptors in /proc",
    "copy the parent's memory",
    "become root",
    "ask DNS",
    "rename a file",  # deleted before
}
PLAIN_USER = 10001


@pytest.fixture
def secret(monkeypatch):
    """Put a secret into every variable that may hold one; an inherited descriptor knows it too."""
    value = secrets.token_hex()
    for name in SECRET_NAMES:
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/{value}")
    reader, writer = os.pipe()
    os.write(writer, value.encode())
    os.set_inheritable(reader, True)
    yield value
    os.close(reader)
    os.close(writer)


@pytest.fixture
def target(tmp_path, secret):
    """Everything that a process could reach if nothing held it."""
    folder = Path("/tmp") / f"kaiwa-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    for name in ("secret", "victim"):
        (folder / name).write_text(secret)
        (folder / name).chmod(0o666)
    abstract = f"kaiwa-{secrets.token_hex(4)}"
    tcp = socket.create_server(("127.0.0.1", 0))
    listening = [tcp, *(socket.socket(socket.AF_UNIX) for _ in range(2))]
    listening[1].bind(str(folder / "socket"))
    (folder / "socket").chmod(0o777)
    listening[2].bind("\0" + abstract if sys.platform == "linux" else str(folder / "abstract"))
    for one in listening[1:]:
        one.listen()
    yield {
        "parent": str(os.getpid()),
        "folder": str(folder),
        "tcp": str(tcp.getsockname()[1]),
        "unix": str(folder / "socket"),
        "abstract": abstract,
    }
    for one in listening:
        one.close()
    shutil.rmtree(folder)


@pytest.fixture
def server(monkeypatch):
    """Start a server whose processes are hostile, by how it starts."""
    started = []

    def _server(start="starts"):
        monkeypatch.setattr(server_process, "COMMAND", hostile_server.command(start))
        started.append(AnalysisServer({"en": AnalysisEngine.KAIWA}, AnalysisSettings()))
        return started[-1]

    yield _server
    for one in started:
        one.kill()


def ask(server, wish):
    reply = server.ask("c", wire.Request(text=wish), b"", cpu_seconds=60.0, wall_seconds=120.0)
    return json.loads(reply.answer)


def try_all(server, target):
    return ask(server, json.dumps({**target, "server": str(server._server.pid)}))


def test_nothing_of_ours_is_in_its_environment(server, target, secret):
    started = server()
    seen = try_all(started, target)
    assert secret not in json.dumps(seen["environment"])
    assert seen["environment"].keys() <= {
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "OPENBLAS_CORETYPE",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY",
        "LC_CTYPE",  # Python's own, in the C locale
    }


def test_only_the_null_device_and_its_socket_are_open(server, target):
    has_position = try_all(server(), target)["descriptors"]
    assert list(has_position.values()) == [True, True, True, False]


@linux
def test_no_attempt_to_get_out_succeeds(server, target):
    outcomes = try_all(server(), target)["attempts"]
    assert [name for name, outcome in outcomes.items() if outcome == "done"] == []
    assert "EFAULT" not in outcomes.values()  # allowed, but wrongly tried
    assert (Path(target["folder"]) / "victim").read_text() != "x"
    assert {path.name for path in Path(target["folder"]).iterdir()} == {
        "secret", "victim", "socket",
    }  # fmt: skip


def test_what_is_tried_succeeds_where_nothing_is_locked_down(server, target):
    started = server("without_lockdown")
    target["spared"] = SPARED
    outcomes = try_all(started, target)["attempts"]
    assert {name for name, outcome in outcomes.items() if outcome != "done"} <= NEEDS_ROOT


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_privileges_gets_out_neither(target):
    neighbour = subprocess.Popen(["sleep", "600"], user=PLAIN_USER)
    target |= {"parent": str(neighbour.pid), "server": str(neighbour.pid)}
    reader, writer = os.pipe()
    if not os.fork():
        os.setgroups([])
        os.setgid(PLAIN_USER)
        os.setuid(PLAIN_USER)
        locked = lock_down(memory_bytes=2**33, cpu_seconds=60)
        os.write(writer, json.dumps([locked.missing, canary.try_all(target)]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        missing, outcomes = json.loads(answer.read())
    neighbour.kill()
    neighbour.wait()
    os.wait()
    assert missing == []
    assert [name for name, outcome in outcomes.items() if outcome == "done"] == []


@linux
@pytest.mark.parametrize(
    ("start", "not_held"),
    [
        ("without_landlock", set()),
        ("without_seccomp", NEEDS_SECCOMP),
        pytest.param(
            "with_limits_only",
            NEEDS_SECCOMP | NEEDS_LANDLOCK,
            marks=pytest.mark.skipif(
                os.geteuid() != 0, reason="without root they may signal processes of this user"
            ),
        ),
    ],
)
def test_the_other_layers_hold_alone(server, target, start, not_held):
    started = server(start)
    outcomes = try_all(started, target)["attempts"]
    assert {name for name, outcome in outcomes.items() if outcome == "done"} <= not_held
    missing = {"without_landlock": ("Landlock",), "without_seccomp": ("seccomp",)}
    assert started.lockdown.missing == missing.get(start, ("Landlock", "seccomp"))


@linux
def test_the_kernel_answers_no_other_call(server):
    assert ask(server(), "make all calls") == []


@linux
def test_the_kernel_confirms_what_is_in_force(server):
    started = server()
    ask(started, "live")
    pid = started._process.status.pid
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert [status[name].strip() for name in ("NoNewPrivs", "Seccomp", "CapEff", "Groups")] == [
        "1", "2", "0" * 16, "",
    ]  # fmt: skip
    assert set(status["Uid"].split()) == {str(os.geteuid() or 65534)}
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    hard = {line[:26].strip(): line[26:].split()[1] for line in limits[1:]}
    assert {
        "Max cpu time": "3600",
        "Max file size": "0",
        "Max core file size": "0",
        "Max processes": "0",
        "Max open files": "0",
        "Max address space": str(2 * 1024**3),
    }.items() <= hard.items()
    assert started.lockdown.missing == ()


@linux
def test_a_process_that_dies_leaves_no_core_dump(tmp_path):
    hidden, plain = (
        subprocess.run(
            [sys.executable, "-c", DIE.format(line)], cwd=tmp_path, check=True, capture_output=True
        ).stdout
        for line in ("kernel.hide_memory()", "pass")
    )
    if plain.strip() == b"False":
        pytest.skip("this system writes no core dumps")
    assert hidden.strip() == b"False"


DIE = """
import ctypes, os, resource
from tasks.sandbox import kernel
resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
child = os.fork()
if not child:
    {}
    ctypes.string_at(0)
print(os.WCOREDUMP(os.waitpid(child, 0)[1]))
"""


@linux
def test_the_kernel_kills_a_process_at_its_limit_of_processor_time(server, monkeypatch):
    monkeypatch.setattr(server_process, "PROCESS_CPU_LIMIT", timedelta(seconds=1))
    with pytest.raises(Unanswered, match="ended with code -9"):
        ask(server(), "spin")


@linux
def test_a_system_that_lacks_a_layer_is_refused_if_all_are_required(monkeypatch):
    monkeypatch.setattr(server_process, "COMMAND", hostile_server.command("without_landlock"))
    with pytest.raises(WorkerNotReady, match="lacks: Landlock"):
        AnalysisServer({"en": AnalysisEngine.KAIWA}, AnalysisSettings(KAIWA_REQUIRE_LOCKDOWN=True))


@linux
def test_a_process_that_lacks_a_layer_of_the_others_reads_nothing(server):
    started = server("loses_seccomp")
    assert started.lockdown.missing == ()
    with pytest.raises(Unanswered, match="ended with code"):
        ask(started, "live")


@linux
def test_what_is_in_force_is_logged_once(claimed, noon, caplog, monkeypatch):
    monkeypatch.setattr(server_process, "COMMAND", hostile_server.command("without_landlock"))
    with (
        caplog.at_level(logging.INFO),
        AnalysisWorkers(2, AnalysisEngine.KAIWA) as workers,
        ThreadPoolExecutor(2) as threads,
    ):
        for _ in range(4):
            threads.submit(workers.analyse, claimed("live"), b"", as_of=noon)
    said = [record.getMessage() for record in caplog.records if "nalysis proc" in record.message]
    assert len(said) == 2
    assert "seccomp" in said[0]
    assert "missing: Landlock" in said[1]
