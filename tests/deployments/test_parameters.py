"""Runs with unknown, wrong or out-of-bounds parameters are refused, and nothing of them is logged.

The server refuses to create them. Whoever tells it not to check only gets a failed run.
"""

import logging
from uuid import uuid4

import pytest
import yaml
from prefect.exceptions import SignatureMismatchError
from prefect.flow_engine import load_flow_run, run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from deployments.check import PREFECT_YAML
from local.ports import choose_ports
from local.prefect import PrefectServer, bootstrap
from tests.support.prefect_http import http_client

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = [entry["name"] for entry in yaml.safe_load(PREFECT_YAML.read_text())["deployments"]]
REASON = "SECRETREASON of a person"
# What has no default.
REQUIRED = {
    "backfill-analysis": {"reason": REASON},
    "undo-backfill": {"backfill_id": 1, "reason": REASON},
    "work-on-backfill": {"backfill_id": 1},
    "erase-learner": {"user_id": str(uuid4()), "reason": REASON},
    "place-legal-hold": {
        "scope": "user", "subject_id": "SECRETLEARNER", "reason": REASON, "placed_by": "Mori",
    },
    "release-legal-hold": {"hold_id": 1, "released_by": "Mori"},
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server with all deployments; this process runs flows against it, without a database."""
    folder = tmp_path_factory.mktemp("server")
    server = PrefectServer(folder)
    address = server.start(choose_ports(["prefect"], folder / "ports.json")["prefect"])
    bootstrap(folder, address)
    settings = {
        PREFECT_API_URL: address.api_url,
        PREFECT_API_AUTH_STRING: address.password.get_secret_value(),
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(settings):
        yield address
    server.stop()


@pytest.fixture(scope="module")
def create(address):
    """Ask for a run of a deployment; return the answer, whatever it is."""
    with http_client(address) as client:
        found = {d["name"]: d["id"] for d in client.post("/deployments/filter", json={}).json()}
        client.event_hooks["response"] = []  # a refusal is an answer

        def _create(name, parameters, **options):
            body = {"parameters": parameters, **options}
            request = client.build_request(
                "POST", f"/deployments/{found[name]}/create_flow_run", json=body
            )
            return super(type(client), client).send(request)

        yield _create


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """No flow reaches a database or a bucket."""
    for name in ("DATABASE_URL", "TIGRIS_BUCKET_NAME", "BUCKET_NAME"):
        monkeypatch.delenv(name, raising=False)


def load(name):
    function = name.replace("-", "_")
    return load_flow_from_entrypoint(f"flows.{function}.{function}", use_placeholder_flow=False)


def beyond(schema, definitions):
    """Yield values that a parameter's schema does not allow."""
    for one in schema.get("anyOf", [schema]):
        one = definitions.get(one.get("$ref", "").rpartition("/")[2], one)
        if "minimum" in one:
            yield one["minimum"] - 1
        if "maximum" in one:
            yield one["maximum"] + 1
        if "maxLength" in one:
            yield "x" * (one["maxLength"] + 1)
        if "minLength" in one:
            yield ""
        if one.get("type") != "null":
            yield {"SECRETVALUE": "SECRETVALUE"}
        if one.get("type") in {"integer", "number", "boolean", "array"} or "enum" in one:
            yield "SECRETVALUE"


def wrong_values(name):
    schema = load(name).parameters
    for parameter, described in schema.properties.items():
        for value in beyond(described, schema.definitions or {}):
            yield parameter, value


@pytest.mark.parametrize("name", NAMES)
def test_the_server_accepts_what_the_form_allows_and_no_unknown_parameter(create, name):
    required = REQUIRED.get(name, {})
    assert create(name, required).status_code == 201
    for unknown in ("no_such", "bucket", "Limit", "self", "flow_run_id"):
        answer = create(name, required | {unknown: "SECRETVALUE"})
        assert answer.status_code == 409, unknown
        assert f"'{unknown}' was unexpected" in answer.text
        assert "SECRETVALUE" not in answer.text


@pytest.mark.parametrize("name", NAMES)
def test_the_server_refuses_values_that_the_form_does_not_allow(create, name):
    for parameter, value in wrong_values(name):
        answer = create(name, REQUIRED.get(name, {}) | {parameter: value})
        assert answer.status_code == 409, (parameter, value)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_the_server_did_not_check_fails_before_it_does_anything(create, name, caplog):
    tried = [("no_such", "SECRETVALUE"), *list(wrong_values(name))[:4]]
    for parameter, value in tried:
        parameters = REQUIRED.get(name, {}) | {parameter: value}
        answer = create(name, parameters, enforce_parameter_schema=False)
        assert answer.status_code == 201
        run = load_flow_run(answer.json()["id"])
        with caplog.at_level(logging.DEBUG):
            if parameter == "no_such":
                with pytest.raises(SignatureMismatchError, match="no_such"):
                    run_flow(load(name), flow_run=run)
                continue
            state = run_flow(load(name), flow_run=run, return_type="state")
        assert state.is_failed()
        assert parameter in state.message
        assert "SECRET" not in state.message
        assert "SECRET" not in caplog.text
