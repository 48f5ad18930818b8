"""Register all that a Prefect server needs of us: work pool, automations, deployments.

What stands is changed, never doubled, and what a person paused stays paused; so it may be run after
each release: `kaiwa-audio prefect bootstrap`.
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

Report = Callable[[str], None]

_DEPLOY_SECONDS = 180
_OUTPUT_CHARACTERS = 2000


class ServerNotNamed(KaiwaError):
    """Nothing says which Prefect server is meant."""

    def __init__(self) -> None:
        super().__init__("PREFECT_API_URL is not set: it says which Prefect server is meant.")


class ServerRefused(KaiwaError):
    """The Prefect server is away, or answered with an error."""

    def __init__(self, api_url: str, reason: str) -> None:
        self.api_url, self.reason = api_url, reason
        message = (
            f"The Prefect server at {api_url} does not do as asked: {reason}. Its log says why."
        )
        super().__init__(message, api_url, reason)


class PoolOfAnotherType(KaiwaError):
    """The work pool stands, but starts its runs in another way."""

    def __init__(self, standing: str, wanted: str) -> None:
        self.standing, self.wanted = standing, wanted
        super().__init__(
            f"The work pool {WORK_POOL} is of type {standing}, and Prefect cannot change that to "
            f"{wanted}. Use --pool-type {standing}, or delete the pool once nothing runs: "
            f"`prefect work-pool delete {WORK_POOL}`.",
            standing,
            wanted,
        )


class DeployFailed(KaiwaError):
    """Not every deployment of prefect.yaml was registered."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Deploying failed: {reason}\nRun `python -m deployments.check`.", reason)


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
        prefect_yaml: The deployments.
        pool_type: What starts their runs.
        template: Of the pool's jobs.
        image: Of containers; None: what the last call with an image said, or else the template.
        webhook_url: Where alerts are posted; None: where the last call with a URL said.
        report: Is told each step when it is done.

    Raises:
        ServerNotNamed: If PREFECT_API_URL is not set.
        ServerRefused: If the server is away or refuses something.
        PoolOfAnotherType: If the pool stands with another type; nothing was changed.
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
                report(automations.NOBODY_IS_TOLD)
            report(f"Deployments {', '.join(deploy_all(client, prefect_yaml))}")
    except httpx.HTTPStatusError as error:
        # What the server says of it may quote what was sent, a secret among it.
        asked = f"{error.request.method} {error.request.url.path}"
        reason = f"{asked} was answered with {error.response.status_code}"
        raise ServerRefused(api_url, reason) from None
    except httpx.TransportError as error:
        raise ServerRefused(api_url, str(error) or type(error).__name__) from error


def ensure_work_pool(
    client: SyncPrefectClient, pool_type: PoolType, template: dict[str, Any], image: str | None
) -> str:
    """Make the work pool, or give the standing one this template; return what was done.

    Raises:
        PoolOfAnotherType: If it stands with another type.
    """
    name = f"Work pool {WORK_POOL} ({pool_type})"
    try:
        standing = client.read_work_pool(WORK_POOL)
    except ObjectNotFound:
        wanted = work_pool.with_image(template, image) if image else template
        client.create_work_pool(
            WorkPoolCreate(name=WORK_POOL, type=pool_type, base_job_template=wanted)
        )
        return f"{name} made"
    if standing.type != pool_type:
        raise PoolOfAnotherType(standing.type, pool_type)
    image = image or work_pool.image_of(standing.base_job_template)
    wanted = work_pool.with_image(template, image) if image else template
    if standing.base_job_template == wanted:
        return f"{name} stands"
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=wanted))
    return f"{name} changed"


def deploy_all(client: SyncPrefectClient, prefect_yaml: Path) -> list[str]:
    """Register every deployment of a prefect.yaml; return their names.

    Deploying makes schedules anew and starts what is paused. What a person paused is deployed
    paused, so that a release does not start what was stopped on purpose.

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
    # The command ends with 0 even when it skipped an entry.
    wanted = {deployment["name"] for deployment in content["deployments"]}
    missing = sorted(name for name in wanted if _standing(client, name) is None)
    if missing:
        reason = f"{', '.join(missing)} missing afterwards. {output}"
        raise DeployFailed(reason)
    return sorted(wanted)


def _keep_paused(client: SyncPrefectClient, deployment: dict[str, Any]) -> None:
    """Let a deployment be paused as it stands: itself, by the switch on its page, or schedules."""
    standing = _standing(client, deployment["name"])
    if standing is None:
        return
    if standing.paused:
        deployment["paused"] = True
    paused = {
        _key(found.slug, getattr(found.schedule, "cron", ""))
        for found in standing.schedules
        if not found.active
    }
    for schedule in deployment.get("schedules", []):
        if _key(schedule.get("slug"), schedule["cron"]) in paused:
            schedule["active"] = False


def _standing(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    """Return a deployment as the server has it; None if there is none."""
    try:
        return client.read_deployment_by_name(f"{name}/{name}")  # flow and deployment are one
    except ObjectNotFound:
        return None


def _key(slug: str | None, cron: str) -> str:
    """Return what a schedule is known by."""
    return slug or cron


def _run_deploy(described: Path, folder: Path) -> str:
    """Let Prefect deploy everything that a file describes; return what it said."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    try:
        done = subprocess.run(
            [*command, "--prefect-file", str(described)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEPLOY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"no end after {_DEPLOY_SECONDS} s"
        raise DeployFailed(reason) from None
    output = done.stdout.strip()[-_OUTPUT_CHARACTERS:]
    if done.returncode != 0:
        raise DeployFailed(output)
    return output
