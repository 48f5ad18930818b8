"""Check prefect.yaml and automations.yaml without a server: `python -m deployments.check`.

Deploying is not atomic: a bad entry leaves the ones before it registered. So this loads every
entrypoint, validates all parameters and parses all schedules before anything is deployed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow, load_flow_from_entrypoint

from deployments import automations
from policy.configuration import DEFAULT_POLICY, CleanupRules

PREFECT_YAML = Path(__file__).parent.parent / "prefect.yaml"
SWEEP = "sweep-retention"
REFRESH = "refresh-signed-urls"


def problems(deployment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems of one deployment as messages."""
    name = deployment["name"]
    function = name.replace("-", "_")
    if deployment["entrypoint"] != f"flows.{function}.{function}":
        yield f"entrypoint must be flows.{function}.{function}, after the deployment's name"
        return
    flow: Flow[..., Any] = load_flow_from_entrypoint(
        deployment["entrypoint"], use_placeholder_flow=False
    )
    if flow.name != name:
        yield f"the flow's name must be the same, but is {flow.name!r}"
    if not deployment.get("description"):
        yield "has no description for the Prefect UI"
    if automations.TAG not in deployment.get("tags", []):
        yield f"lacks the tag {automations.TAG}, without which automations ignore its runs"
    yield from _problems_of_parameters(deployment, flow)
    yield from _problems_of_schedules(deployment)
    if name == REFRESH:
        yield from _differing_grace(deployment, DEFAULT_POLICY.cleanup)
    if name == SWEEP:
        yield from _differences_from_policy(deployment, DEFAULT_POLICY.cleanup)


def _problems_of_schedules(deployment: dict[str, Any]) -> Iterator[str]:
    for schedule in deployment.get("schedules", []):
        try:
            CronSchedule(cron=schedule["cron"])
        except ValueError as error:
            yield f"schedule {schedule['cron']!r}: {error}"
        if schedule.get("timezone") != "UTC":
            yield "timezone must be UTC, so that daylight saving neither skips nor repeats a run"


def _differences_from_policy(deployment: dict[str, Any], rules: CleanupRules) -> Iterator[str]:
    parameters = deployment.get("parameters", {})
    schedules = [schedule["cron"] for schedule in deployment.get("schedules", [])]
    for name, registered, rule in (
        ("schedules", schedules, [rules.schedule]),
        ("page_size", parameters.get("page_size"), rules.page_size),
        ("grace_days", parameters.get("grace_days"), rules.grace_period_days),
        ("soft_delete", parameters.get("soft_delete"), rules.soft_delete),
        ("dry_run", parameters.get("dry_run"), rules.dry_run),
    ):
        if registered != rule:
            yield (
                f"{name} is {registered}, but CleanupRules in policy/configuration.py says {rule}; "
                "change one of them"
            )


def _differing_grace(deployment: dict[str, Any], rules: CleanupRules) -> Iterator[str]:
    grace_days = deployment.get("parameters", {}).get("grace_days")
    if grace_days is None or grace_days > rules.grace_period_days:
        yield (
            f"grace_days is {grace_days}, but sweep-retention deletes {rules.grace_period_days} "
            "days after expiry; a URL must not outlive its recording"
        )


def _problems_of_parameters(deployment: dict[str, Any], flow: Flow[..., Any]) -> Iterator[str]:
    parameters = deployment.get("parameters", {})
    missing = set(flow.parameters.required or ()) - parameters.keys()
    if missing and not deployment.get("schedules"):
        return  # started by hand: the server validates the form
    try:
        flow.validate_parameters(parameters)
    except (ParameterTypeError, TypeError) as error:
        yield f"parameters: {error}"


def main() -> int:
    """Print every problem; return 1 if there is one."""
    content = yaml.safe_load(PREFECT_YAML.read_text())
    found = [
        f"prefect.yaml: {deployment['name']}: {problem}"
        for deployment in content["deployments"]
        for problem in problems(deployment)
    ]
    described = automations.automations()
    found += [f"automations.yaml: {problem}" for problem in automations.problems(described)]
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
