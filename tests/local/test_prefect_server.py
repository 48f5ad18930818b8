"""The local stack's Prefect server under load."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local.ports import choose_ports
from local.prefect import PrefectServer

pytestmark = pytest.mark.flow

CLIENTS = 20
RUNS = 60


@pytest.fixture
def api(tmp_path):
    """A client that does not retry: it sees what the server answers."""
    server = PrefectServer(tmp_path)
    prefect = server.start(choose_ports(["prefect"], tmp_path / "ports.json")["prefect"])
    user, _, password = prefect.password.get_secret_value().partition(":")
    with httpx.Client(
        base_url=prefect.api_url, auth=(user, password), trust_env=False, timeout=90
    ) as client:
        yield client
    server.stop()


def test_runs_created_at_once_are_all_created(api):
    flow_id = api.post("/flows/", json={"name": "busy"}).json()["id"]
    deployment = {"name": "busy", "flow_id": flow_id, "entrypoint": "busy:busy"}
    deployment_id = api.post("/deployments/", json=deployment).json()["id"]

    def create_and_run(_):
        created = api.post(f"/deployments/{deployment_id}/create_flow_run", json={})
        if created.is_error:
            return [created.status_code]
        path = f"/flow_runs/{created.json()['id']}/set_state"
        states = [{"state": {"type": state}, "force": True} for state in ("PENDING", "RUNNING")]
        return [created.status_code, *(api.post(path, json=s).status_code for s in states)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = Counter(status for one in pool.map(create_and_run, range(RUNS)) for status in one)
    assert answers == {201: 3 * RUNS}
