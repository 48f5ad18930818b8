"""automations.yaml is valid, and on a real server it notifies a person of events."""

import copy
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from prefect import flow, tags
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import AutomationCore
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.states import Scheduled
from pydantic import SecretStr

from deployments import automations
from deployments.work_pool import HEARTBEAT_SECONDS
from local.demo.deployment_run import client_of
from local.ports import choose_ports
from local.prefect import PrefectServer
from policy.configuration import DEFAULT_POLICY
from policy.costs import BYTES_PER_GB
from schema.facts.costs import Transfer
from schema.facts.deletion import SweepPlan
from schema.states import ThresholdMeasure, TransferSource
from tasks.costs.alerts import THRESHOLD_EVENT, alert_on_thresholds
from tasks.sweep.sweep_retention import OVERDUE_EVENT, raise_alarm
from tests.support.costs import AS_OF, measured
from tests.support.listening import listening

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
    assert expected["costs-threshold-crossed"] == [THRESHOLD_EVENT]
    assert expected["audio-overdue"] == [OVERDUE_EVENT]


def test_those_about_runs_look_at_ours_alone(described):
    about_runs = [a["trigger"] for a in described if a["name"].startswith("flow-run-")]
    assert len(about_runs) == 3
    for trigger in about_runs:
        assert trigger["match"]["prefect.resource.id"] == "prefect.flow-run.*"
        assert trigger["match_related"] == {
            "prefect.resource.id": f"prefect.tag.{automations.TAG}",
            "prefect.resource.role": "tag",
        }


def test_a_run_may_miss_two_heartbeats(described):
    (silent,) = (a for a in described if a["name"] == "flow-run-silent")
    assert silent["trigger"]["within"] == 3 * HEARTBEAT_SECONDS


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


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server of its own, with its folder: automations need the server's services."""
    folder = tmp_path_factory.mktemp("server")
    server = PrefectServer(folder)
    yield server.start(choose_ports(["prefect"], folder / "ports.json")["prefect"]), folder
    server.stop()


@pytest.fixture
def prefect_server(own_server, tmp_path):
    """The server, without automations or an address."""
    prefect, _ = own_server
    settings = {
        PREFECT_API_URL: prefect.api_url,
        PREFECT_API_AUTH_STRING: prefect.password.get_secret_value(),
        PREFECT_HOME: tmp_path / "client",
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(settings):
        yield prefect
        EventsWorker.drain_all()  # otherwise it would send the events of later tests to this server
    with client_of(prefect) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for block in client.read_block_documents():  # the address
            client.delete_block_document(block.id)


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


def posted(listener, count):
    """Return all posts once there are so many."""
    wait_for(lambda: len(listener.posts) >= count)
    return [body["text"] for body in listener.bodies(f"/{SECRET}")]


def events(client):
    """Return the server's events as text."""
    return client.request("POST", "/events/filter", json={}).text


@pytest.mark.flow
@pytest.mark.usefixtures("stage")
def test_a_crossing_is_posted_once_and_audio_that_is_overdue_too(
    prefect_server, own_server, described
):
    limit = DEFAULT_POLICY.costs.storage_alert_threshold_gb
    with listening() as person, client_of(prefect_server) as client:
        url = SecretStr(f"{person.url}/{SECRET}")
        for _ in range(2):
            assert automations.apply(client, described, url)
            names = sorted(automation.name for automation in client.read_automations())
            assert names == sorted(automation["name"] for automation in described)

        assert alert_on_thresholds(report(0, limit - 1)) == []
        assert alert_on_thresholds(report(1, limit + 1)) == [STORED]
        (text,) = posted(person, 1)
        assert "stored 51.0 GB (measured), the threshold is 50 GB." in text
        assert "Forecast for 30 days from now:" in text
        assert "As of 2026-03-02T03:30:00+00:00" in text

        assert alert_on_thresholds(report(1, limit + 1)) == []
        assert alert_on_thresholds(report(2, limit + 1, 150)) == [TRANSFERRED]
        text = posted(person, 2)[1]  # so the previous run posted nothing
        assert "transferred 150.0 GB in a month (estimate), the threshold is 100 GB. Check" in text

        raise_alarm(OVERDUE)
        text = posted(person, 3)[2]
        assert "3 recordings should have been deleted" in text
        assert "key refused: 2." in text

        person.answer = lambda: 500
        raise_alarm(OVERDUE)
        wait_for(lambda: '"status_code":500' in events(client))  # visible to operators
        assert SECRET not in events(client)
    logs = [path.read_text() for path in (own_server[1] / "logs").iterdir()]
    assert logs
    assert SECRET not in "".join(logs)


@pytest.mark.flow
def test_without_a_url_automations_say_that_nobody_is_notified_until_there_is_one(
    prefect_server, described
):
    def overdue():
        (automation,) = client.read_automations_by_name("audio-overdue")
        return automation

    with client_of(prefect_server) as client:
        assert not automations.apply(client, described, None)
        assert overdue().enabled
        assert overdue().actions[0].type == "do-nothing"
        assert overdue().description.endswith(automations.NOT_NOTIFIED)
        (silent,) = client.read_automations_by_name("flow-run-silent")
        assert silent.actions[0].type == "change-flow-run-state"  # needs no webhook

        assert automations.apply(client, described, SecretStr(f"http://127.0.0.1:9/{SECRET}"))
        first = overdue()
        assert first.actions[0].type == "call-webhook"
        assert "Nobody" not in first.description

        # Applying them without a URL keeps the earlier one.
        client.create_automation(AutomationCore(**first.model_dump(exclude={"id"})))  # by hand
        assert automations.apply(client, described, None)
        assert overdue().actions == first.actions


LEARNER = "9d8c7b6a-hana"
RUN = f"""
import sys, time
from prefect import flow, tags

@flow(name="erase-learner", flow_run_name="erase-{{user_id}}")
def erase(user_id: str, seconds: float):
    time.sleep(seconds)

with tags("{automations.TAG}"):
    erase("{LEARNER}", float(sys.argv[1]))
"""


@pytest.fixture
def start_run(prefect_server, tmp_path):
    """Start a run that sleeps so many seconds in a separate process; return the process."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    started = []

    def _start_run(seconds):
        environment = {
            **os.environ,
            **prefect_server.environment(),
            "PREFECT_HOME": str(tmp_path / "run"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        }
        started.append(subprocess.Popen([sys.executable, script, str(seconds)], env=environment))
        return started[-1]

    yield _start_run
    for process in started:
        process.kill()
        process.wait()


def hasten(described):
    """Shorten the waiting time of proactive automations to Prefect's minimum."""
    for automation in described:
        if automation["trigger"]["posture"] == "Proactive":
            automation["trigger"]["within"] = 10
    return described


@pytest.mark.flow
@pytest.mark.slow
def test_a_killed_run_crashes_and_failed_or_late_runs_are_reported_without_parameters(
    prefect_server, start_run, described
):
    @flow(name="measure-costs")
    def broken(user_id):
        raise ValueError(user_id)

    def states():
        return {run.flow_id: run.state.name for run in client.read_flow_runs()}

    def heartbeats():
        return events(client).count('"event":"prefect.flow-run.heartbeat"')

    with listening() as person, client_of(prefect_server) as client:
        url = SecretStr(f"{person.url}/{SECRET}")
        automations.apply(client, hasten(described), url)
        late = client.create_deployment(
            client.create_flow(flow(print, name="sweep-retention")), "x"
        )
        due = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(minutes=1))
        client.create_flow_run_from_deployment(
            late, parameters={"user_id": LEARNER}, tags=[automations.TAG], state=due
        )
        killed, finished = start_run(300), start_run(0)
        assert finished.wait() == 0
        wait_for(lambda: heartbeats() >= 2)
        killed.kill()

        with pytest.raises(ValueError, match=LEARNER):
            broken(LEARNER)  # a foreign run: it lacks our tag
        with tags(automations.TAG), pytest.raises(ValueError, match=LEARNER):
            broken(LEARNER)

        texts = posted(person, 3)
        time.sleep(1)
        assert len(person.posts) == 3
        runs = {run.state.type: run for run in client.read_flow_runs()}
        assert sorted(type_.value for type_ in runs) == [
            "COMPLETED", "CRASHED", "FAILED", "SCHEDULED",
        ]  # fmt: skip
        crashed = runs[StateType.CRASHED]
        assert "No sign of life" in crashed.state.message
        beginnings = sorted(text.split(". ")[0] for text in texts)
        assert beginnings == [
            "Kaiwa audio: a run of erase-learner has ended Crashed",
            "Kaiwa audio: a run of measure-costs has ended Failed",
            "Kaiwa audio: runs of sweep-retention are late, and none has started for 15 minutes",
        ]
        assert any(f"/runs/flow-run/{crashed.id} for the reason" in text for text in texts)
        assert LEARNER not in str(person.posts)
