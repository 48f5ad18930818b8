"""`kaiwa-audio prefect bootstrap` is idempotent and keeps changes made by hand."""

import asyncio
import json

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    temporary_settings,
)
from prefect.workers.base import BaseJobConfiguration
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.main import app
from deployments import bootstrap
from deployments.bootstrap import (
    DeployFailed,
    PoolOfAnotherType,
    ServerNotNamed,
    ServerRefused,
    deploy_all,
    ensure_work_pool,
)
from deployments.work_pool import WORK_POOL, PoolType, base_job_template, image_of
from local import prefect
from local.addresses import PrefectAddress
from local.demo.deployment_run import client_of
from local.ports import choose_ports
from local.prefect import PROJECT, BootstrapFailed, PrefectServer
from tests.support.prefect_http import http_client

CRON = "0 3 * * *"  # of sweep-retention
SECRETS = [
    "kaiwa-database-url",
    "kaiwa-tigris-endpoint",
    "kaiwa-tigris-bucket-name",
    "kaiwa-tigris-access-key-id",
    "kaiwa-tigris-secret-access-key",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Folder and address of a server without our objects."""
    folder = tmp_path_factory.mktemp("server")
    server = PrefectServer(folder)
    yield folder, server.start(choose_ports(["prefect"], folder / "ports.json")["prefect"])
    server.stop()


@pytest.fixture
def client(server):
    with client_of(server[1]) as client:
        yield client


def standing(client):
    """Return the ids of all objects that bootstrapping creates."""
    return {
        (type(found).__name__, found.name): found.id
        for found in (
            *client.read_work_pools(),
            *client.read_automations(),
            *client.read_deployments(),
        )
    }


@pytest.mark.slow
@pytest.mark.flow
def test_a_second_time_changes_nothing_and_starts_nothing_that_a_person_stopped(server, client):
    folder, address = server
    assert "Work pool kaiwa (process) created" in prefect.bootstrap(folder, address)
    made = standing(client)
    assert {kind for kind, _ in made} == {"WorkPool", "Automation", "DeploymentResponse"}

    sweep = client.read_deployment_by_name("sweep-retention/sweep-retention")
    (schedule,) = sweep.schedules
    client.update_deployment_schedule(sweep.id, schedule.id, active=False)
    refresh = client.read_deployment_by_name("refresh-signed-urls/refresh-signed-urls")
    client.pause_deployment(refresh.id)  # the switch on its page
    with http_client(address) as http:
        http.patch(f"/work_pools/{WORK_POOL}", json={"is_paused": True})

    assert "Work pool kaiwa (process) unchanged" in prefect.bootstrap(folder, address)
    assert standing(client) == made
    assert client.read_work_pool(WORK_POOL).is_paused
    assert client.read_deployment(refresh.id).paused
    schedules = {
        (deployment.name, schedule.schedule.cron): schedule.active
        for deployment in client.read_deployments()
        for schedule in deployment.schedules
    }
    assert [key for key, active in schedules.items() if not active] == [("sweep-retention", CRON)]


@pytest.mark.flow
def test_a_pool_of_another_type_is_left_alone(client, monkeypatch):
    template = base_job_template(PoolType.KUBERNETES)
    name = "another"
    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    monkeypatch.setattr(bootstrap, "WORK_POOL", name)
    with pytest.raises(PoolOfAnotherType, match="process"):
        ensure_work_pool(client, PoolType.KUBERNETES, template, None)
    assert client.read_work_pool(name).base_job_template != template


@pytest.mark.flow
@pytest.mark.parametrize("pool_type", [PoolType.DOCKER, PoolType.KUBERNETES])
def test_the_server_takes_our_templates_and_an_image_once_given_stays(
    client, pool_type, monkeypatch
):
    def ensure(image=None):
        return ensure_work_pool(client, pool_type, base_job_template(pool_type), image)

    def image():
        return image_of(client.read_work_pool(pool_type).base_job_template)

    monkeypatch.setattr(bootstrap, "WORK_POOL", str(pool_type))
    assert ensure().endswith("created")
    assert client.read_work_pool(pool_type).base_job_template == base_job_template(pool_type)
    assert image() == "kaiwa-audio"
    assert ensure("registry.example.org/kaiwa-audio:2").endswith("updated")
    assert ensure().endswith("unchanged")
    assert image() == "registry.example.org/kaiwa-audio:2"


@pytest.mark.flow
def test_secrets_of_containers_are_looked_up_when_a_run_starts(server, tmp_path):
    async def environment():
        async with get_client() as client:
            configuration = await BaseJobConfiguration.from_template_and_values(
                base_job_template(PoolType.DOCKER), {"env": {"A": "b"}}, client=client
            )
        return configuration.env

    _, address = server
    settings = {
        PREFECT_API_URL: address.api_url,
        PREFECT_API_AUTH_STRING: address.password.get_secret_value(),
        PREFECT_HOME: tmp_path / "home",
    }
    with temporary_settings(settings):
        for name in SECRETS:
            Secret(value=f"value of {name}").save(name)
        found = asyncio.run(environment())
    assert found["DATABASE_URL"] == "value of kaiwa-database-url"
    assert {value for value in found.values() if value.startswith("value")} == {
        f"value of {name}" for name in SECRETS
    }
    assert found["A"] == "b"


@pytest.mark.flow
def test_a_deployment_that_is_not_there_afterwards_is_an_error(
    server, client, tmp_path, monkeypatch
):
    (tmp_path / "prefect.yaml").write_text(
        "pull: []\ndeployments:\n  - name: nothing\n    entrypoint: flows.nothing.nothing\n"
        f"    work_pool: {{name: {WORK_POOL}}}\n"
    )
    for name, value in server[1].environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    with pytest.raises(DeployFailed, match="nothing"):
        deploy_all(client, tmp_path / "prefect.yaml")


def test_without_a_server_nothing_is_done():
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(ServerNotNamed):
        register()


def test_a_server_that_is_away_is_named():
    api_url = "http://127.0.0.1:9/api"
    with (
        temporary_settings({PREFECT_API_URL: api_url}),
        pytest.raises(ServerRefused, match=api_url),
    ):
        register()


def register():
    bootstrap.bootstrap(
        PROJECT / "prefect.yaml",
        PoolType.PROCESS,
        {},
        image=None,
        webhook_url=None,
        report=lambda _: None,
    )


def test_the_local_stack_says_why_it_failed(tmp_path):
    with pytest.raises(BootstrapFailed, match=r"127\.0\.0\.1:9"):
        prefect.bootstrap(tmp_path, PrefectAddress("http://127.0.0.1:9/api", SecretStr("a:b")))


def command(*arguments):
    return CliRunner().invoke(app, ["prefect", "bootstrap", *map(str, arguments)])


def test_the_command_takes_a_template_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"job_configuration": {}, "variables": {}}))
    seen = []
    monkeypatch.setattr(bootstrap, "bootstrap", lambda *given, **_: seen.append(given))
    done = command("--pool-type", "kubernetes", "--base-job-template", own)
    assert done.exit_code == 0, done.output
    assert [template for _, _, template in seen] == [json.loads(own.read_text())]


@pytest.mark.parametrize("text", ["{", "[]", '{"variables": {}}'])
def test_a_file_that_is_no_template_is_named(tmp_path, monkeypatch, text):
    monkeypatch.chdir(PROJECT)
    (tmp_path / "own.json").write_text(text)
    done = command("--base-job-template", tmp_path / "own.json")
    assert done.exit_code == 1
    assert "own.json is not a base job template" in done.output


def test_bootstrap_fails_outside_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command()
    assert done.exit_code == 2
    assert "prefect.yaml" in done.output
