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
    "POSTGRES_PASSWORD": "p4",
    "TIGRIS_ACCESS_KEY_ID": "key",
    "TIGRIS_SECRET_ACCESS_KEY": "s3cret",
    "PREFECT_AUTH": "admin:p5",
}


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
    assert "deployments/.env" in (PROJECT / ".dockerignore").read_text().splitlines()


def test_all_but_the_database_have_a_read_only_root_and_no_capability(compose):
    for name, service in compose["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "postgres" or (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


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
            one_shot = other == "bootstrap"
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
    assert server.database.connection_url.get_secret_value().startswith("postgresql+asyncpg://")
    assert server.ui.api_url == f"{settings.ui_url}/api"
    assert settings.home == Path("/var/lib/kaiwa/prefect")


def test_the_worker_polls_the_pool_that_bootstrapping_makes():
    command = containers.image()["command"]
    assert command[command.index("--pool") + 1] == WORK_POOL
