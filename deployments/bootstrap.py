"""Register our work pool, automations and deployments on a Prefect server.

Idempotent: existing ones are updated, and deployments that were paused by hand stay paused, so
that `kaiwa-audio prefect bootstrap` can be run after each release.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import SecretStr

from deployments import automations, work_pool
from deployments.work_pool import WORK_POOL, PoolType
from schema.errors.base import KaiwaError
from settings.environment import StartSettings

Report = Callable[[str], None]

_OUTPUT_CHARACTERS = 2000


class ServerNotNamed(KaiwaError):
    """PREFECT_API_URL is not set."""

    def __str__(self) -> str:
        return "PREFECT_API_URL is not set. Set it to the URL of the Prefect server's API."


class ServerRefused(KaiwaError):
    """The Prefect server is unreachable, or answered with an error."""

    api_url: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The request to the Prefect server at {self.api_url} failed: {self.reason}. Check "
            "that the server is running, and its log."
        )


class PoolOfAnotherType(KaiwaError):
    """The work pool exists with another type."""

    existing: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"The work pool {WORK_POOL} is of type {self.existing}, and Prefect cannot change that "
            f"to {self.wanted}. Use --pool-type {self.existing}, or delete the pool once nothing "
            f"runs: `prefect work-pool delete {WORK_POOL}`."
        )


class DeployFailed(KaiwaError):
    """Not every deployment of prefect.yaml was registered."""

    reason: str

    def __str__(self) -> str:
        return f"Deploying failed: {self.reason}\nRun `python -m deployments.check`."


def bootstrap(
    prefect_yaml: Path,
    pool_type: PoolType,
    template: dict[str, Any],
    *,
    image: str | None,
    webhook_url: SecretStr | None,
    report: Report,
) -> None:
    """Register everything on the server at PREFECT_API_URL.

    Args:
        prefect_yaml: File that lists the deployments.
        pool_type: How runs are started.
        template: Base job template of the pool.
        image: Container image; None keeps that of an earlier call, or of the template.
        webhook_url: URL that alerts are posted to; None keeps that of an earlier call.
        report: Called with a message after each step.

    Raises:
        ServerNotNamed: If PREFECT_API_URL is not set.
        ServerRefused: If the server is unreachable or returns an error.
        PoolOfAnotherType: If the pool exists with another type; nothing was changed.
        DeployFailed: If a deployment is missing afterwards.
    """
    api_url = PREFECT_API_URL.value()
    if not api_url:
        raise ServerNotNamed
    try:
        with get_client(sync_client=True) as client:
            report(ensure_work_pool(client, pool_type, template, image))
            described = automations.automations()
            notified = automations.apply(client, described, webhook_url)
            report(f"Automations {', '.join(found['name'] for found in described)}")
            if not notified:
                report(automations.NOT_NOTIFIED)
            report(f"Deployments {', '.join(deploy_all(client, prefect_yaml))}")
    except httpx.HTTPStatusError as error:
        # Leave out the response: it may quote the request, which contains secrets.
        request = f"{error.request.method} {error.request.url.path}"
        reason = f"{request} returned {error.response.status_code}"
        raise ServerRefused(api_url, reason) from None
    except httpx.TransportError as error:
        raise ServerRefused(api_url, str(error) or type(error).__name__) from error


def ensure_work_pool(
    client: SyncPrefectClient, pool_type: PoolType, template: dict[str, Any], image: str | None
) -> str:
    """Create the work pool or update its template; return what was done.

    Raises:
        PoolOfAnotherType: If it exists with another type.
    """
    name = f"Work pool {WORK_POOL} ({pool_type})"
    try:
        existing = client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        wanted = work_pool.with_image(template, image) if image else template
        client.create_work_pool(
            WorkPoolCreate(name=WORK_POOL, type=pool_type, base_job_template=wanted)
        )
        return f"{name} created"
    if existing.type != pool_type:
        raise PoolOfAnotherType(existing.type, pool_type)
    image = image or work_pool.image_of(existing.base_job_template)
    wanted = work_pool.with_image(template, image) if image else template
    if existing.base_job_template == wanted:
        return f"{name} unchanged"
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=wanted))
    return f"{name} updated"


def deploy_all(client: SyncPrefectClient, prefect_yaml: Path) -> list[str]:
    """Register every deployment of a prefect.yaml; return their names.

    Deploying recreates schedules and resumes paused deployments. Those that were paused by hand
    are deployed as paused, so that a release does not resume them.

    Raises:
        DeployFailed: If the command fails or a deployment is missing afterwards.
    """
    content = yaml.safe_load(prefect_yaml.read_text())
    for deployment in content["deployments"]:
        _keep_paused(client, deployment)
    with tempfile.TemporaryDirectory(prefix="kaiwa-deploy-") as folder:
        described = Path(folder) / "prefect.yaml"
        described.write_text(yaml.safe_dump(content, sort_keys=False))
        output = _run_deploy(described, prefect_yaml.resolve().parent)
    # The command exits with 0 even if it skipped an entry.
    wanted = {deployment["name"] for deployment in content["deployments"]}
    missing = sorted(name for name in wanted if _registered(client, name) is None)
    if missing:
        reason = f"{', '.join(missing)} not registered. {output}"
        raise DeployFailed(reason)
    for name in wanted:
        _refuse_unknown_parameters(client, name)
    return sorted(wanted)


def _refuse_unknown_parameters(client: SyncPrefectClient, name: str) -> None:
    """Let the server refuse to create a run with a parameter that the flow does not have.

    By default it accepts the run, which then crashes; `prefect deploy` has no option for it.
    """
    deployment = client.read_deployment_by_name(f"{name}/{name}")
    schema = {**(deployment.parameter_openapi_schema or {}), "additionalProperties": False}
    client.request(
        "PATCH",
        "/deployments/{id}",
        path_params={"id": deployment.id},
        json={"parameter_openapi_schema": schema},
    )


def _keep_paused(client: SyncPrefectClient, deployment: dict[str, Any]) -> None:
    """Mark a deployment and its schedules as paused if they are paused on the server."""
    existing = _registered(client, deployment["name"])
    if existing is None:
        return
    if existing.paused:
        deployment["paused"] = True
    paused = {
        _key(found.slug, getattr(found.schedule, "cron", ""))
        for found in existing.schedules
        if not found.active
    }
    for schedule in deployment.get("schedules", []):
        if _key(schedule.get("slug"), schedule["cron"]) in paused:
            schedule["active"] = False


def _registered(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """Return a deployment as registered on the server; None if there is none."""
    try:
        return client.read_deployment_by_name(f"{name}/{name}")  # flow and deployment share it
    except ObjectNotFound:
        return None


def _key(slug: str | None, cron: str) -> str:
    """Return the identity of a schedule."""
    return slug or cron


def _run_deploy(described: Path, folder: Path) -> str:
    """Run `prefect deploy --all` on a file; return its output."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    limit_seconds = StartSettings().start_seconds
    try:
        done = subprocess.run(
            [*command, "--prefect-file", str(described)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"it did not finish within {limit_seconds:g} s. Raise KAIWA_START_SECONDS."
        raise DeployFailed(reason) from None
    output = done.stdout.strip()[-_OUTPUT_CHARACTERS:]
    if done.returncode != 0:
        raise DeployFailed(output)
    return output
