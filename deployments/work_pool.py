"""The work pool and its base job templates for processes, containers and Kubernetes jobs.

Imports Prefect only when a template is built: the command line needs only the names.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from schema.errors.base import KaiwaError

WORK_POOL = "kaiwa"
HEARTBEAT_SECONDS = 30  # between a run's heartbeats; Prefect's minimum
TEMPLATES = Path(__file__).parent / "job_templates"


class PoolType(StrEnum):
    """How runs are started; the names are Prefect's."""

    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


class TemplateUnreadable(KaiwaError):
    """A file is not a base job template."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} is not a base job template: {self.reason}. Start from a copy of one in "
            f"{TEMPLATES}."
        )


def base_job_template(pool_type: PoolType) -> dict[str, Any]:
    """Return the base job template of a pool; for processes Prefect's own, with our environment.

    Each template sets the heartbeat interval: a worker without it would send one every three
    minutes, and the automation would declare its runs crashed. And each limits task runs to
    logging warnings: a run has hundreds, and their completion shows on the run's page anyway.
    """
    if pool_type is not PoolType.PROCESS:
        return read_template(TEMPLATES / f"{pool_type}.json")
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    _properties(template)["env"]["default"] = {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
    }
    return template


def read_template(path: Path) -> dict[str, Any]:
    """Read a template from a file, as for `prefect work-pool create --base-job-template`.

    Raises:
        TemplateUnreadable: If the file is not JSON of that shape.
    """
    try:
        template: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise TemplateUnreadable(str(path), str(error)) from None
    if not isinstance(template, dict) or not {"job_configuration", "variables"} <= template.keys():
        reason = "it must contain job_configuration and variables"
        raise TemplateUnreadable(str(path), reason)
    return template


def image_of(template: dict[str, Any]) -> str | None:
    """Return the default image of jobs; None for processes."""
    image: str | None = _properties(template).get("image", {}).get("default")
    return image


def with_image(template: dict[str, Any], image: str) -> dict[str, Any]:
    """Return a template with this default image; one for processes is returned unchanged."""
    properties = _properties(template)
    if "image" not in properties:
        return template
    changed = {**properties, "image": {**properties["image"], "default": image}}
    return {**template, "variables": {**template["variables"], "properties": changed}}


def _properties(template: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = template.get("variables", {}).get("properties", {})
    return properties
