"""Nothing that a user meets is left out of the pictures."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import State, StateType

from local.screenshots.shots import ARTIFACT_KEYS, shots

PROJECT = Path(__file__).parents[3]


def published(path):
    """Yield each key under which a module publishes artifacts, as a regular expression."""
    module = ast.parse(path.read_text())
    constants = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for call in ast.walk(module):
        name = getattr(getattr(call, "func", None), "id", "")
        if re.fullmatch("create_[a-z]+_artifact", name):
            (key,) = (keyword.value for keyword in call.keywords if keyword.arg == "key")
            parts = key.values if isinstance(key, ast.JoinedStr) else [key]
            yield "".join(pattern(part, constants) for part in parts)


def pattern(part, constants):
    """Return what a part of a key matches; what only a run knows matches anything."""
    if isinstance(part, ast.FormattedValue):
        part = part.value
    if isinstance(part, ast.Name):
        return re.escape(constants[part.id]) if part.id in constants else ".+"
    return re.escape(part.value)


@pytest.fixture(scope="module")
def patterns():
    modules = [*PROJECT.glob("flows/**/*.py"), *PROJECT.glob("tasks/**/*.py")]
    return {found for path in modules for found in published(path)}


def test_every_artifact_of_a_flow_is_known(patterns):
    assert len(patterns) > 15
    for key in patterns:
        assert any(re.fullmatch(key, known) for known in ARTIFACT_KEYS), key


def test_no_artifact_is_waited_for_that_nobody_publishes(patterns):
    for known in ARTIFACT_KEYS:
        assert any(re.fullmatch(key, known) for key in patterns), known


@pytest.fixture
def taken():
    paused = State(type=StateType.PAUSED)
    deployments = [SimpleNamespace(id=1, name="sweep-retention")]
    runs = [
        SimpleNamespace(id=2, name="sweep-dry-run", state=State(type=StateType.COMPLETED)),
        SimpleNamespace(id=3, name="sweep", state=paused),
    ]
    artifacts = [
        SimpleNamespace(id=4, key="measure-costs", description="$1 a month"),
        SimpleNamespace(id=5, key="measure-costs-charts", description="Stock"),
    ]
    return {shot.name: shot for shot in shots(deployments, runs, artifacts)}


def test_a_deployment_is_shown_with_its_form(taken):
    assert taken["deployment-sweep-retention"].path.startswith("/v2/deployments/deployment/1")
    assert taken["form-sweep-retention"].path == "/v2/deployments/deployment/1/run"


def test_a_run_that_waits_is_shown_with_its_question(taken):
    assert taken["run-02-sweep-approval"].asks
    assert not taken["run-02-sweep"].asks
    assert "run-01-sweep-dry-run-approval" not in taken


def test_charts_are_shown_in_both_themes(taken):
    assert taken["artifact-measure-costs-charts-02-dark"].dark
    assert not taken["artifact-measure-costs-charts-02"].dark
    assert "artifact-measure-costs-01-dark" not in taken
