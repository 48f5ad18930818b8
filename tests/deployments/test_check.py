"""prefect.yaml is valid, and a real server schedules runs from it."""

import copy
import time
from dataclasses import replace

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from deployments import check
from local.ports import choose_ports
from local.prefect import PrefectServer, bootstrap
from policy.configuration import DEFAULT_POLICY, CleanupRules
from tests.support.prefect_http import http_client


@pytest.fixture
def deployment():
    return copy.deepcopy(yaml.safe_load(check.PREFECT_YAML.read_text())["deployments"][0])


@pytest.fixture
def sweep():
    deployments = yaml.safe_load(check.PREFECT_YAML.read_text())["deployments"]
    return next(found for found in deployments if found["name"] == check.SWEEP)


def test_the_projects_prefect_yaml_has_no_problem():
    assert check.main() == 0


def test_the_sweep_started_by_hand_runs_by_the_policys_rules_too_but_dry(sweep):
    by_hand = load_flow_from_entrypoint(sweep["entrypoint"]).parameters.properties
    assert by_hand["dry_run"]["default"] is True
    for name in ("page_size", "grace_days", "soft_delete"):
        assert by_hand[name]["default"] == sweep["parameters"][name]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("page_size", 99), ("grace_days", 0), ("soft_delete", False), ("dry_run", True)],
)
def test_a_sweep_whose_parameters_are_not_the_policys_is_named(sweep, parameter, value):
    (problem,) = check.problems(sweep | {"parameters": sweep["parameters"] | {parameter: value}})
    assert problem.startswith(f"{parameter} is {value}, but CleanupRules in ")
    del sweep["parameters"][parameter]  # the flow's default differs
    (problem,) = check.problems(sweep)
    assert problem.startswith(f"{parameter} is None")


@pytest.mark.parametrize("schedules", [[], [{"cron": "0 4 * * *", "timezone": "UTC"}]])
def test_a_sweep_whose_schedule_is_not_the_policys_is_named(sweep, schedules):
    (problem,) = check.problems(sweep | {"schedules": schedules})
    assert problem.endswith("policy/configuration.py says ['0 3 * * *']; change one of them")


@pytest.mark.parametrize("changed", [{"grace_days": 8}, {}])
def test_urls_that_would_outlive_their_recordings_are_named(changed):
    deployments = yaml.safe_load(check.PREFECT_YAML.read_text())["deployments"]
    refresh = next(one for one in deployments if one["name"] == check.REFRESH)
    kept = {name: value for name, value in refresh["parameters"].items() if name != "grace_days"}
    (problem,) = check.problems(refresh | {"parameters": kept | changed})
    assert problem.endswith("a URL must not outlive its recording")


def test_a_policy_that_prefect_yaml_does_not_follow_fails_the_check(monkeypatch, capsys):
    changed = replace(DEFAULT_POLICY, cleanup=CleanupRules(grace_period_days=14))
    monkeypatch.setattr(check, "DEFAULT_POLICY", changed)
    assert check.main() == 1
    assert capsys.readouterr().err == (
        "prefect.yaml: sweep-retention: grace_days is 7, but CleanupRules in "
        "policy/configuration.py says 14; change one of them\n"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"entrypoint": "flows/analyze_messages.py:analyze_messages"}, "entrypoint must be"),
        ({"name": "analyse"}, "entrypoint must be"),
        ({"description": ""}, "no description"),
        ({"tags": ["analysis"]}, "lacks the tag kaiwa-audio"),
        ({"parameters": {"limit": 0}}, "parameters"),
        ({"parameters": {"limmit": 10}}, "parameters"),
        ({"schedules": [{"cron": "every morning", "timezone": "UTC"}]}, "schedule"),
        ({"schedules": [{"cron": "0 3 * * *", "timezone": "Europe/Berlin"}]}, "UTC"),
    ],
)
def test_a_bad_entry_is_named(deployment, change, problem):
    found = list(check.problems(deployment | change))
    assert len(found) == 1
    assert problem in found[0]


def test_required_parameters_are_left_to_the_form_unless_a_schedule_starts_the_run(deployment):
    by_hand = {"name": "erase-learner", "entrypoint": "flows.erase_learner.erase_learner"}
    assert not list(check.problems(deployment | by_hand | {"parameters": {}, "schedules": []}))
    (problem,) = check.problems(deployment | by_hand | {"parameters": {}})
    assert "user_id" in problem


def test_every_parameter_is_a_form_field_with_bounds_and_words(deployment):
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    fields = parameter_schema(flow).properties
    assert all(field.get("description") for field in fields.values())
    assert (fields["limit"]["minimum"], fields["limit"]["maximum"]) == (1, 100_000)


def test_forms_hold_no_markup_which_they_would_show_as_it_is():
    for deployment in yaml.safe_load(check.PREFECT_YAML.read_text())["deployments"]:
        fields = parameter_schema(load_flow_from_entrypoint(deployment["entrypoint"])).properties
        for name, field in fields.items():
            assert field["description"], (deployment["name"], name)
            assert not set("`*") & set(field["description"]), (deployment["name"], name)


def test_forms_of_destructive_runs_begin_with_dry_run():
    destructive = (("sweep_retention", 0), ("backfill_analysis", 1), ("export_findings", 0))
    for name, position in destructive:
        fields = parameter_schema(load_flow_from_entrypoint(f"flows.{name}.{name}")).properties
        assert fields["dry_run"]["position"] == position


@pytest.mark.flow
@pytest.mark.slow
def test_deploying_makes_the_server_schedule_runs(tmp_path):
    with_schedule = {
        entry["name"]
        for entry in yaml.safe_load(check.PREFECT_YAML.read_text())["deployments"]
        if entry.get("schedules")
    }
    server = PrefectServer(tmp_path)
    try:
        prefect = server.start(choose_ports(["prefect"], tmp_path / "ports.json")["prefect"])
        bootstrap(tmp_path, prefect)
        scheduled = scheduled_runs(prefect, with_schedule, wait_seconds=60)
    finally:
        server.stop()
    assert {run["deployment"] for run in scheduled} == with_schedule
    assert {run["state_type"] for run in scheduled} == {"SCHEDULED"}


def scheduled_runs(prefect, awaited, wait_seconds):
    """Return scheduled runs by deployment name, once there is one of each."""
    deadline = time.monotonic() + wait_seconds
    with http_client(prefect) as client:
        names = {entry["id"]: entry["name"] for entry in client.post("/deployments/filter").json()}
        while True:
            runs = [
                run | {"deployment": names[run["deployment_id"]]}
                for run in client.post("/flow_runs/filter").json()
            ]
            if {run["deployment"] for run in runs} >= awaited:
                return runs
            assert time.monotonic() < deadline, "the scheduler made no runs"
            time.sleep(1)
