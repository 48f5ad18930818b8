"""The image is really built and run as compose.yaml says: `make image-test`.

Postgres is Debian's, the bucket is the tests' S3 server, the network is the machine's; the rest is
as in production: buildah's image, runc's containers, the restrictions, roles and commands of
compose.yaml.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from local.ports import HOST, choose_ports
from local.prefect import PROJECT
from tests.support import containers
from tests.support.built_image import IMAGE, POSTGRES, Engine, obstacle

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

SECRETS = {
    "POSTGRES_PASSWORD": "p4superuser",
    "KAIWA_OWNER_PASSWORD": "p4owner",
    "KAIWA_BATCH_PASSWORD": "p4batch",
    "PREFECT_DATABASE_PASSWORD": "p4prefect",
    "BUCKET_ROOT_USER": "unused",
    "BUCKET_ROOT_PASSWORD": "unused",
    "PREFECT_AUTH": "admin:p5",
}
# What the official image's entrypoint does.
INITIALISE = r"""
install -d -o postgres -g postgres /data
exec setpriv --reuid postgres --regid postgres --clear-groups sh -ec '
    PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
    printf %s "$POSTGRES_PASSWORD" > /tmp/password
    initdb --pgdata /data --username kaiwa --pwfile /tmp/password --auth scram-sha-256 \
        --encoding UTF8 --locale C.UTF-8 --no-sync
    echo "CREATE DATABASE kaiwa" | postgres --single -D /data postgres
    exec postgres -D /data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp
'
"""
# Run inside the worker's container, as an attacker who already runs code there.
LOOK = """
import json, os, pathlib, resource, socket
def tried(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return error.strerror
    return None
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
own = ["/tmp", os.environ["PREFECT_HOME"], os.environ["KAIWA_REPORTS_DIR"]]
foreign = ["/", "/opt/kaiwa", "/opt/kaiwa/lib", "/etc", "/usr/bin", "/var/lib", "/root", "/var/tmp"]
write = lambda folder: tried(pathlib.Path(folder, "x").write_text, "x")
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), *os.getgroups()],
    "capabilities": [int(status[f"Cap{kind}"], 16) for kind in ("Eff", "Prm", "Inh", "Bnd", "Amb")],
    "no_new_privileges": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "own": [write(folder) for folder in own],
    "foreign": [write(folder) for folder in foreign],
    "root": tried(os.setuid, 0),
    "raw": tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "environment": dict(os.environ),
}))
"""


@pytest.fixture(scope="module")
def engine_of_containers():
    if reason := obstacle():
        pytest.skip(f"the image cannot be built here: {reason}")
    # In memory if there is room: layers are many small files.
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 6 * 2**30
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-image-", dir=memory if has_room else "/var/tmp"))
    engine = Engine(folder)
    yield engine
    engine.remove()


@pytest.fixture(scope="module")
def images(engine_of_containers):
    engine_of_containers.make_base()
    engine_of_containers.build()
    engine_of_containers.make_postgres()
    return engine_of_containers


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    return choose_ports(["postgres", "prefect", "health"], tmp_path_factory.mktemp("p") / "ports")


class Stack:
    """compose.yaml's services as containers on this machine's network."""

    def __init__(self, engine, ports, variables, folder):
        self.engine, self.ports, self.folder = engine, ports, folder
        self.compose = containers.compose(variables)
        self.logs, self.processes = {}, {}

    def here(self, value):
        """Replace the addresses of compose.yaml's network by this machine's."""
        for name, port in (("postgres:5432", "postgres"), ("prefect-server:4200", "prefect")):
            value = str(value).replace(name, f"{HOST}:{self.ports[port]}")
        value = value.replace("4200", str(self.ports["prefect"]))
        return value.replace("8080", str(self.ports["health"]))

    def start(self, name, image=IMAGE, command=None, volumes=(), **environment):
        service = self.compose["services"][name]
        values = {k: self.here(v) for k, v in service["environment"].items()} | environment
        command = [self.here(word) for word in command or service.get("command", [])]
        self.logs[name] = self.folder / f"{name}.log"
        self.processes[name] = self.engine.start(
            name, image, service, command, values, self.logs[name], volumes
        )

    def log(self, name):
        return self.logs[name].read_text()

    def finish(self, name, seconds=400):
        assert self.processes[name].wait(seconds) == 0, self.log(name)

    def succeeds(self, name, *command):
        """Return whether a command in a running container exits with 0."""
        try:
            self.engine.podman("exec", name, *map(self.here, command))
        except AssertionError:
            return False
        return True

    def wait(self, name, condition, seconds=400):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.5)


@pytest.fixture(scope="module")
def database(images, ports, tmp_path_factory):
    """Debian's Postgres with the roles of compose.yaml; the URL of the tables' owner."""
    unused = {"TIGRIS_ACCESS_KEY_ID": "unused", "TIGRIS_SECRET_ACCESS_KEY": "unused"}
    stack = Stack(images, ports, SECRETS | unused, tmp_path_factory.mktemp("database"))
    command = ["sh", "-ec", INITIALISE.format(port=ports["postgres"])]
    stack.start("postgres", POSTGRES, command)
    ready = ("pg_isready", "--host", HOST, "--port", ports["postgres"])
    stack.wait("postgres", lambda: stack.succeeds("postgres", *ready))
    stack.start(
        "roles",
        POSTGRES,
        volumes=[f"{PROJECT / 'deployments' / 'roles.sql'}:/roles.sql:ro"],
        PGHOST=HOST,
        PGPORT=ports["postgres"],
    )
    stack.finish("roles")
    return stack


@pytest.fixture
def database_url(database, ports):
    """The owner's, for the rows of the test; only `roles` logs in as the superuser."""
    return f"postgresql://kaiwa_owner:p4owner@{HOST}:{ports['postgres']}/kaiwa"


@pytest.fixture
def stack(database, ports, stage, s3_address, tmp_path):
    """The running services: server, worker; `bootstrap` has ended."""
    stack = Stack(
        database.engine,
        ports,
        SECRETS
        | {
            "TIGRIS_ENDPOINT": s3_address.endpoint,
            "TIGRIS_BUCKET_NAME": os.environ["TIGRIS_BUCKET_NAME"],
            "TIGRIS_ACCESS_KEY_ID": s3_address.access_key_id,
            "TIGRIS_SECRET_ACCESS_KEY": s3_address.secret_access_key.get_secret_value(),
        },
        tmp_path,
    )
    stack.start("prefect-server")
    check = stack.compose["services"]["prefect-server"]["healthcheck"]["test"][1:]
    stack.wait("prefect-server", lambda: stack.succeeds("prefect-server", *check))
    stack.start("bootstrap")
    stack.finish("bootstrap")
    command = containers.image()["command"]
    stack.start("worker", command=command, PREFECT_WORKER_WEBSERVER_PORT=ports["health"])
    check = containers.image()["healthcheck"]
    stack.wait("worker", lambda: stack.succeeds("worker", *check))
    return stack


def test_a_recording_is_analysed_in_a_locked_container_as_the_restricted_role(
    stack, upload, engine, ports
):
    message_id = upload("we went to the market")
    state = run_deployment(stack, f"http://{HOST}:{ports['prefect']}/api", "analyze-messages")
    assert state.is_completed(), f"{state}\n{stack.log('worker')}"
    query = "SELECT audio_processing_state, pronunciation_score FROM messages WHERE id = :id"
    with engine.connect() as connection:
        message = connection.execute(sa.text(query), {"id": message_id}).one()
    assert message.audio_processing_state == "analyzed", stack.log("worker")
    assert message.pronunciation_score is not None
    for forbidden in ("Read-only file system", "Permission denied", "permission denied"):
        assert forbidden not in stack.log("worker") + stack.log("prefect-server")

    seen = json.loads(stack.engine.podman("exec", "worker", "python", "-c", LOOK))
    assert_locked(seen)
    assert_restricted_role(seen["environment"])
    assert not stack.succeeds("worker", "test", "-e", "/etc/pip.conf")  # of the build alone
    for name in ("worker", "prefect-server"):
        stack.processes[name].send_signal(signal.SIGTERM)
        assert stack.processes[name].wait(60) in (0, 128 + signal.SIGTERM), stack.log(name)


def run_deployment(stack, api_url, name):
    auth = SECRETS["PREFECT_AUTH"]
    with (
        temporary_settings({PREFECT_API_URL: api_url, PREFECT_API_AUTH_STRING: auth}),
        SyncPrefectClient(api_url, auth_string=auth) as client,
    ):
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        run = client.create_flow_run_from_deployment(deployment.id)
        stack.wait("worker", lambda: client.read_flow_run(run.id).state.is_final())
        return client.read_flow_run(run.id).state


def assert_locked(seen):
    assert seen["ids"] == [10001, 10001]
    assert seen["capabilities"] == [0, 0, 0, 0, 0]
    assert (seen["no_new_privileges"], seen["seccomp"]) == ("1", "2")
    assert seen["core"] == [0, 0]
    assert seen["own"] == [None, None, None]
    assert set(seen["foreign"]) <= {"Read-only file system", "Permission denied"}
    assert seen["foreign"][-1] == "Read-only file system"  # /var/tmp, which anyone may write
    assert seen["root"] == seen["raw"] == "Operation not permitted"


def assert_restricted_role(environment):
    visible = " ".join(environment.values())
    for name in ("POSTGRES_PASSWORD", "KAIWA_OWNER_PASSWORD", "PREFECT_DATABASE_PASSWORD"):
        assert SECRETS[name] not in visible
    url = environment["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        (role, superuser) = connection.execute(
            "SELECT current_user, current_setting('is_superuser')"
        ).fetchone()
    assert (role, superuser) == ("kaiwa_batch", "off")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url.removesuffix("kaiwa") + "prefect")
