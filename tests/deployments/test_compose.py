"""compose.yaml conforms to the Compose Specification and restricts its containers."""

import json
import re
from pathlib import Path

import pytest
from jsonschema.validators import validator_for
from prefect.settings import Settings

from deployments.work_pool import WORK_POOL
from local.prefect import PROJECT
from tests.support import containers

DATA = Path(__file__).parent / "data"
EXAMPLE = (PROJECT / "deployments" / "env.example").read_text()
NEEDED = {
    "POSTGRES_PASSWORD": "p4superuser",
    "KAIWA_OWNER_PASSWORD": "p4owner",
    "KAIWA_BATCH_PASSWORD": "p4batch",
    "PREFECT_DATABASE_PASSWORD": "p4prefect",
    "BUCKET_ROOT_USER": "root",
    "BUCKET_ROOT_PASSWORD": "s3root",
    "TIGRIS_ACCESS_KEY_ID": "key",
    "TIGRIS_SECRET_ACCESS_KEY": "s3cret",
    "PREFECT_AUTH": "admin:p5",
}
# Which services see which secret, and no others.
SEEN_BY = {
    "POSTGRES_PASSWORD": {"postgres", "roles"},
    "KAIWA_OWNER_PASSWORD": {"roles", "bootstrap"},
    "KAIWA_BATCH_PASSWORD": {"roles", "worker"},
    "PREFECT_DATABASE_PASSWORD": {"roles", "prefect-server"},
    "BUCKET_ROOT_PASSWORD": {"bucket", "bucket-user"},
    "TIGRIS_SECRET_ACCESS_KEY": {"bucket-user", "bootstrap", "worker"},
    "PREFECT_AUTH": {"prefect-server", "bootstrap", "worker"},
}
ONE_SHOTS = {"roles", "bucket-user", "bootstrap"}


@pytest.fixture
def compose():
    return containers.compose(NEEDED)


def test_it_keeps_to_the_specification(compose):
    schema = json.loads((DATA / "compose-spec.json").read_text())
    validator_for(schema)(schema).validate(compose)


@pytest.mark.parametrize("name", NEEDED)
def test_a_secret_that_is_missing_is_not_made_up(name):
    with pytest.raises(KeyError, match=name):
        containers.compose({k: v for k, v in NEEDED.items() if k != name})


def test_the_example_names_every_variable_and_holds_no_secret():
    used = set(re.findall(r"\$\{(\w+)", containers.COMPOSE_YAML.read_text()))
    assert set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == used
    assert not re.findall(r"^[A-Z_]+=.+", EXAMPLE, re.MULTILINE)
    assert "deployments/.env" in (PROJECT / ".gitignore").read_text().splitlines()
    assert "**/.env*" in (PROJECT / ".dockerignore").read_text().splitlines()


def test_all_but_the_database_have_a_read_only_root_and_no_capability(compose):
    for name, service in compose["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "postgres" or (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_nothing_dumps_core_or_starts_processes_without_limit(compose):
    for name, service in compose["services"].items():
        assert service["ulimits"] == {"core": 0}
        assert name == "postgres" or service["pids_limit"]
    assert "--core=0" in containers.image()["entrypoint"]  # of jobs, too


@pytest.mark.parametrize("name", SEEN_BY)
def test_a_secret_is_given_only_to_those_who_need_it(compose, name):
    services = compose["services"]
    assert {who for who in services if NEEDED[name] in str(services[who])} == SEEN_BY[name]


def test_the_login_of_the_flows_reaches_one_bucket_only(compose):
    policy = json.loads(compose["configs"]["bucket-policy"]["content"])
    (statement,) = policy["Statement"]
    assert statement["Resource"] == ["arn:aws:s3:::kaiwa-audio", "arn:aws:s3:::kaiwa-audio/*"]
    (command,) = compose["services"]["bucket-user"]["command"]
    assert '"$TIGRIS_ACCESS_KEY_ID"' in command  # by the container's shell


@pytest.mark.parametrize(
    ("variable", "services"),
    [
        ("KAIWA_POSTGRES_IMAGE", ["postgres", "roles"]),
        ("KAIWA_BUCKET_IMAGE", ["bucket", "bucket-user"]),
    ],
)
def test_an_image_can_be_pinned_by_its_digest(variable, services):
    pinned = f"image@sha256:{'0' * 64}"
    compose = containers.compose(NEEDED | {variable: pinned})
    assert [name for name, one in compose["services"].items() if one["image"] == pinned] == services


def test_so_can_the_image_that_ours_is_built_from():
    pinned = f"python:3.13-slim@sha256:{'0' * 64}"
    compose = containers.compose(NEEDED | {"KAIWA_PYTHON_IMAGE": pinned})
    assert compose["services"]["worker"]["build"]["args"] == {"PYTHON_IMAGE": pinned}
    text = containers.DOCKERFILE.read_text()
    assert "ARG PYTHON_IMAGE=python:3.13-slim\n" in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_nothing_is_published_beyond_the_host(compose):
    ports = [p for service in compose["services"].values() for p in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_server_says_when_it_is_healthy(compose):
    checked = {name for name, service in compose["services"].items() if "healthcheck" in service}
    assert checked == {"postgres", "bucket", "prefect-server", "bootstrap"}
    assert containers.image()["healthcheck"]  # the worker's
    for service in compose["services"].values():
        for other, wanted in service.get("depends_on", {}).items():
            one_shot = other in ONE_SHOTS
            condition = "service_completed_successfully" if one_shot else "service_healthy"
            assert wanted == {"condition": condition}


def test_prefect_knows_the_servers_settings_and_reads_them_as_meant(compose, monkeypatch):
    environment = compose["services"]["prefect-server"]["environment"]
    for name, value in {**containers.image()["environment"], **environment}.items():
        if name.startswith("PREFECT_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    server = settings.server
    assert server.services.task_run_recorder.batch_size == 200
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period.days == 90
    assert server.events.retention_period.days == 7
    assert server.concurrency.lease_storage.endswith("filesystem")
    assert server.api.auth_string.get_secret_value() == NEEDED["PREFECT_AUTH"]
    assert settings.ui_url in server.api.cors_allowed_origins.split(",")
    assert "*" not in server.api.cors_allowed_origins
    assert server.database.connection_url.get_secret_value().startswith("postgresql+asyncpg://")
    assert server.ui.api_url == f"{settings.ui_url}/api"
    assert settings.home == Path("/var/lib/kaiwa/prefect")


def test_the_worker_polls_the_pool_that_bootstrapping_makes():
    command = containers.image()["command"]
    assert command[command.index("--pool") + 1] == WORK_POOL
