"""automations.yaml is sound, and on a real server it tells a person what a task noticed."""

import copy
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from deployments import automations
from deployments.local.ports import choose_ports
from deployments.local.prefect import PrefectServer, apply_automations, prefect_environment
from policy.configuration import DEFAULT_POLICY
from policy.costs import BYTES_PER_GB
from schema.costs import Transfer
from schema.reports import SweepPlan
from schema.states import ThresholdMeasure, TransferSource
from tasks.cost_alerts import THRESHOLD_EVENT, alert_on_thresholds
from tasks.sweep_retention import OVERDUE_EVENT, raise_alarm
from tests.listening import listening
from tests.tasks.costs import AS_OF, measured

STORED, TRANSFERRED = ThresholdMeasure
SECRET = "T0/B0/hunter2"
OVERDUE = SweepPlan(
    live=9,
    due=Counter(),
    due_bytes=Counter(),
    orphans=0,
    orphan_bytes=0,
    kept=Counter({"key refused": 2}),
    without_expiry=0,
    oldest_due_at=AS_OF,
    overdue=3,
    digest="0" * 64,
    sample=(),
)


@pytest.fixture
def described():
    return copy.deepcopy(automations.automations())


def test_the_projects_automations_have_no_problem(described):
    assert list(automations.problems(described)) == []


def test_they_wait_for_the_events_that_tasks_emit(described):
    expected = {a["name"]: a["trigger"]["expect"] for a in described}
    assert expected == {
        "costs-threshold-crossed": [THRESHOLD_EVENT],
        "audio-overdue": [OVERDUE_EVENT],
    }


@pytest.mark.parametrize(
    ("part", "change", "problem"),
    [
        ("trigger", {"posture": "Relaxed"}, "posture"),
        ("trigger", {"within": -1}, "within"),
        ("action", {"type": "call-wehbook"}, "type"),
        ("action", {"payload": "{{ event.payload"}, "template"),
        ("automation", {"description": ""}, "no description"),
        ("automation", {"enabeld": False}, "enabeld"),
    ],
)
def test_a_bad_automation_is_named(described, part, change, problem):
    automation = described[0]
    parts = {
        "automation": automation,
        "trigger": automation["trigger"],
        "action": automation["actions"][0],
    }
    parts[part].update(change)
    found = list(automations.problems(described))
    assert found
    assert all(line.startswith("costs-threshold-crossed: ") for line in found)
    assert any(problem in line for line in found)


def test_two_of_one_name_are_named(described):
    described[1]["name"] = described[0]["name"]
    assert list(automations.problems(described)) == [
        "costs-threshold-crossed: described more than once"
    ]


def test_the_command_asks_which_server_is_meant(tmp_path):
    done = apply_to("", tmp_path)
    assert done.returncode == 1
    assert "PREFECT_API_URL" in done.stderr


def apply_to(api_url, folder, **variables):
    """Run the command as after a deployment."""
    environment = prefect_environment(folder, PREFECT_API_URL=api_url, **variables)
    return subprocess.run(
        [sys.executable, "-m", "deployments.automations"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def prefect_server(tmp_path):
    """A server of its own: automations are the server's, and its services must run."""
    server = PrefectServer(tmp_path)
    api_url = server.start(choose_ports(["prefect"], tmp_path / "ports.json")["prefect"])
    settings = {
        PREFECT_API_URL: api_url,
        PREFECT_HOME: tmp_path / "client",
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(settings):
        yield api_url
        EventsWorker.drain_all()  # or it would send the events of later tests to this server
    server.stop()


def report(days, stored, transferred=0):
    return measured(
        5,
        as_of=AS_OF + timedelta(days=days),
        bytes=int(stored * BYTES_PER_GB),
        transfer=Transfer(transferred * BYTES_PER_GB, TransferSource.ESTIMATE, 30),
    )


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(listener, count):
    """Return what was posted once there are so many posts."""
    wait_for(lambda: len(listener.told) >= count)
    return [body["text"] for body in listener.bodies(f"/{SECRET}")]


def events(client):
    """Return the server's events as text."""
    return client.request("POST", "/events/filter", json={}).text


@pytest.mark.flow
@pytest.mark.usefixtures("stage")
def test_a_crossing_is_posted_once_and_audio_that_is_overdue_too(prefect_server, tmp_path):
    limit = DEFAULT_POLICY.costs.storage_alert_threshold_gb
    with listening() as person, SyncPrefectClient(prefect_server) as client:
        for _ in range(2):
            applied = apply_to(
                prefect_server,
                tmp_path,
                KAIWA_NOTIFICATION_WEBHOOK_URL=f"{person.url}/{SECRET}",
            )
            assert applied.returncode == 0, applied.stderr
            assert "Nobody" not in applied.stdout
            names = sorted(automation.name for automation in client.read_automations())
            assert names == ["audio-overdue", "costs-threshold-crossed"]

        assert alert_on_thresholds(report(0, limit - 1)) == []
        assert alert_on_thresholds(report(1, limit + 1)) == [STORED]
        (text,) = told(person, 1)
        assert "stored 51.0 GB (measured), the threshold is 50 GB." in text
        assert "In 30 days it will be about" in text
        assert "As of 2026-03-02T03:30:00+00:00" in text

        assert alert_on_thresholds(report(1, limit + 1)) == []
        assert alert_on_thresholds(report(2, limit + 1, 150)) == [TRANSFERRED]
        text = told(person, 2)[1]  # so the run before it posted nothing
        assert "transferred 150.0 GB in a month (estimate), the threshold is 100 GB. See" in text

        raise_alarm(OVERDUE)
        text = told(person, 3)[2]
        assert "3 recordings should have been deleted" in text
        assert "key refused: 2." in text

        person.answer = lambda: 500
        raise_alarm(OVERDUE)
        wait_for(lambda: '"status_code":500' in events(client))  # for an operator to see
        assert SECRET not in events(client)
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert logs
    assert SECRET not in logs + applied.stdout + applied.stderr


@pytest.mark.flow
def test_without_an_address_automations_say_that_nobody_is_told_until_there_is_one(
    prefect_server, tmp_path, monkeypatch
):
    monkeypatch.delenv("KAIWA_NOTIFICATION_WEBHOOK_URL", raising=False)

    def overdue():
        (automation,) = client.read_automations_by_name("audio-overdue")
        return automation

    with SyncPrefectClient(prefect_server) as client:
        assert "Nobody is notified" in apply_automations(tmp_path, prefect_server)
        assert overdue().enabled
        assert overdue().actions[0].type == "do-nothing"
        assert overdue().description.endswith(automations.NOBODY_IS_TOLD)

        monkeypatch.setenv("KAIWA_NOTIFICATION_WEBHOOK_URL", f"http://127.0.0.1:9/{SECRET}")
        apply_automations(tmp_path, prefect_server)
        first = overdue()
        assert first.actions[0].type == "call-webhook"
        assert "Nobody" not in first.description

        # An address stays when the next one to apply them does not know it.
        monkeypatch.delenv("KAIWA_NOTIFICATION_WEBHOOK_URL")
        client.create_automation(AutomationCore(**first.model_dump(exclude={"id"})))  # by a person
        assert "Nobody" not in apply_automations(tmp_path, prefect_server)
        assert overdue().actions == first.actions
