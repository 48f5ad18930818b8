"""The image's and compose.yaml's commands work unprivileged, read-only and cleanly installed.

tests/support/containers.py explains what this simulates, and what it cannot.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    temporary_settings,
)

from local.ports import HOST, choose_ports
from tests.support import containers

pytestmark = pytest.mark.timeout(600)

AUTH = "admin:p4ssw0rd"


def test_the_image_runs_as_a_number_that_is_not_root():
    user = containers.image()["user"]
    assert user.isdigit()
    assert int(user) > 0


def test_every_package_is_installed_by_its_hash_and_no_index_is_named():
    text = containers.DOCKERFILE.read_text()
    installs = [line for line in text.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert "://" not in text.replace("http://127.0.0.1:8080/health", "")


def test_the_build_tools_of_the_wheel_are_in_the_lock():
    (command,) = (v for v in containers.DOCKERFILE.read_text().splitlines() if "awk" in v)
    program = command.split("'")[1]
    lock = containers.PROJECT / "requirements.lock"
    found = subprocess.run(["awk", program, lock], capture_output=True, text=True, check=True)
    names = [line.split("==")[0] for line in found.stdout.splitlines() if "==" in line]
    assert names == ["hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers"]
    assert found.stdout.count("--hash=sha256:") >= len(names)


@pytest.fixture(scope="module")
def tree():
    """The project's wheel in a clean, read-only environment, as in the image."""
    if not containers.can_lock():
        pytest.skip("this machine makes no locked processes: it takes Linux, root and util-linux")
    if Path("/tmp") in Path(sys.prefix).parents:
        pytest.skip("the container's own /tmp would hide the packages that are installed there")
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-image-"))
    folder.chmod(0o711)
    containers.install(folder / "tree")
    yield folder / "tree"
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def start(tree, tmp_path):
    """Start a container's command until the end of the test; return its process and log."""
    started = []

    def _start(name, command, environment):
        log = tmp_path / f"{name}.log"
        started.append(containers.start(tree, command, environment, log))
        return started[-1], log

    yield _start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(condition, process, log, seconds=150):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


LOOK = """
import json, os, pathlib, sys
import cli, prefect
def writable(folder):
    try:
        pathlib.Path(folder, "x").write_text("x")
    except OSError as error:
        return error.strerror
    return True
status = pathlib.Path("/proc/self/status").read_text().split()
places = ["/tmp", os.environ["PREFECT_HOME"], os.environ["KAIWA_REPORTS_DIR"]]
print(json.dumps({
    "user": os.getuid(), "groups": os.getgroups(), "path": cli.__file__,
    "capabilities": [int(status[status.index(name) + 1], 16) for name in ("CapEff:", "CapBnd:")],
    "writable": [writable(place) for place in places],
    "locked": [writable(place) for place in ("/", "/opt/kaiwa", "/etc", "/var/lib", "/var/tmp")],
}))
"""


def test_a_container_is_locked(start):
    process, log = start("look", ["python", "-c", LOOK], {})
    assert process.wait(60) == 0, log.read_text()
    seen = json.loads(log.read_text())
    assert str(seen["user"]) == containers.image()["user"]
    assert seen["groups"] == []
    assert seen["capabilities"] == [0, 0]
    assert seen["path"].startswith("/opt/kaiwa/lib/")  # not the sources
    assert seen["writable"] == [True, True, True]
    assert set(seen["locked"]) <= {"Read-only file system", "Permission denied"}
    assert seen["locked"][-1] == "Read-only file system"  # although world-writable


@pytest.mark.flow
@pytest.mark.slow
def test_compose_comes_up_runs_a_deployment_and_goes_down(
    start, empty_database_url, s3_address, tmp_path
):
    ports = choose_ports(["prefect", "health"], tmp_path / "ports.json")
    api_url = f"http://{HOST}:{ports['prefect']}/api"
    services = containers.compose(
        {
            **dict.fromkeys(containers.PASSWORDS, "unused"),
            "DATABASE_URL": empty_database_url,
            "TIGRIS_ENDPOINT": s3_address.endpoint,
            "TIGRIS_BUCKET_NAME": "composed",
            "TIGRIS_ACCESS_KEY_ID": s3_address.access_key_id,
            "TIGRIS_SECRET_ACCESS_KEY": s3_address.secret_access_key.get_secret_value(),
            "PREFECT_AUTH": AUTH,
        }
    )["services"]

    def here(value):
        """Replace the addresses of compose.yaml's networks by this machine's."""
        text = str(value).replace("prefect-server:4200", f"{HOST}:{ports['prefect']}")
        text = text.replace("4200", str(ports["prefect"]))
        return text.replace("8080", str(ports["health"]))

    def environment(service):
        return {k: here(v) for k, v in services[service]["environment"].items()}

    def healthy(command):
        done = start("health", [here(word) for word in command], {})[0]
        return done.wait(60) == 0

    # The embedded Postgres lacks pg_trgm: Prefect keeps its state in SQLite here.
    sqlite = "sqlite+aiosqlite:////var/lib/kaiwa/prefect/prefect.db"
    server, server_log = start(
        "server",
        [here(word) for word in services["prefect-server"]["command"]],
        environment("prefect-server") | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": sqlite},
    )
    check = services["prefect-server"]["healthcheck"]["test"]
    assert check[0] == "CMD"
    wait_until(lambda: healthy(check[1:]), server, server_log)
    assert httpx.get(f"{api_url}/deployments/count", trust_env=False).status_code == 401

    bootstrap, log = start("bootstrap", services["bootstrap"]["command"], environment("bootstrap"))
    assert bootstrap.wait(200) == 0, log.read_text()
    assert "Work pool kaiwa (process) created" in log.read_text()

    image = containers.image()
    worker, worker_log = start(
        "worker",
        image["command"],
        environment("worker") | {"PREFECT_WORKER_WEBSERVER_PORT": str(ports["health"])},
    )
    wait_until(lambda: healthy(image["healthcheck"]), worker, worker_log)
    with (
        temporary_settings({PREFECT_API_URL: api_url, PREFECT_API_AUTH_STRING: AUTH}),
        SyncPrefectClient(api_url, auth_string=AUTH) as client,
    ):
        # It writes charts, tables and metrics, so it shows which other paths must be writable.
        deployment = client.read_deployment_by_name("measure-costs/measure-costs")
        run = client.create_flow_run_from_deployment(deployment.id)
        wait_until(
            lambda: client.read_flow_run(run.id).state.is_final(), worker, worker_log, seconds=200
        )
        state = client.read_flow_run(run.id).state
    assert state.is_completed(), f"{state}\n{worker_log.read_text()}"
    for forbidden in ("Read-only file system", "Permission denied"):
        assert forbidden not in worker_log.read_text() + server_log.read_text()

    for process, log in ((worker, worker_log), (server, server_log)):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM), log.read_text()
