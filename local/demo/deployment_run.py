"""Triggers a deployment, follows its run until it ends, and reads what the run says of itself."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort

from schema.errors.base import KaiwaError

_POLL_SECONDS = 0.5
STALLED_SECONDS = 300.0


class RunStalled(KaiwaError):
    """Nothing happened any more in a run that had not ended."""

    def __init__(self, state: str, log: str) -> None:
        self.state, self.log = state, log
        super().__init__(
            f"For {STALLED_SECONDS:.0f} s nothing has happened in the run, which is {state}. "
            f"Look into {log}.",
            state,
            log,
        )


class RunPaused(KaiwaError):
    """A run waits for a person, whom the demo cannot stand in for."""

    def __init__(self, deployment: str) -> None:
        self.deployment = deployment
        super().__init__(
            f"A run of {deployment} waits for a person: earlier demos left much that is due. Run "
            "`make up`, answer it in the Prefect UI or cancel it there, and run the demo again; or "
            "delete the stack's folder.",
            deployment,
        )


def run_deployment(
    api_url: str,
    name: str,
    parameters: Mapping[str, Any],
    *,
    log: str,
    watch: Callable[[str], object] = lambda _state: None,
) -> FlowRun:
    """Run a deployment; return the ended run.

    Args:
        api_url: The Prefect server.
        name: Of the deployment and its flow.
        parameters: Those that differ from the deployment's.
        log: Where a person looks when the run stalls.
        watch: Is told the run's state at each look; what it returns changes while work goes on.

    Raises:
        RunStalled: If neither the state nor what `watch` returns changes for five minutes.
        RunPaused: If the run waits for a person.
    """
    with client_of(api_url) as client:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        seen, changed_at = None, time.monotonic()
        while True:
            run = client.read_flow_run(run.id)
            state = str(run.state.name) if run.state else "unknown"
            look = (state, watch(state))
            if run.state is not None and run.state.is_final():
                return run
            if run.state is not None and run.state.is_paused():
                raise RunPaused(name)
            if look != seen:
                seen, changed_at = look, time.monotonic()
            elif time.monotonic() - changed_at > STALLED_SECONDS:
                raise RunStalled(state, log)
            time.sleep(_POLL_SECONDS)


def failure(run: FlowRun) -> str | None:
    """Return why a run that has ended did not complete; None if it did."""
    if run.state is not None and run.state.is_completed():
        return None
    told = run.state.message if run.state else None
    return f"the flow run {run.name} did not complete: {told or 'it gave no reason'}"


def read_summary(api_url: str, run: FlowRun, key: str) -> str | None:
    """Return the newest artifact of this key that the run left, Markdown; None if it left none."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]), key=ArtifactFilterKey(any_=[key])
    )
    with client_of(api_url) as client:
        found = client.read_artifacts(
            artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1
        )
    return str(found[0].data) if found else None


def client_of(api_url: str) -> SyncPrefectClient:
    """Return a client of this server alone, whatever the environment says."""
    # A proxy of the environment must not come between two ends of loopback.
    return SyncPrefectClient(api_url, httpx_settings={"trust_env": False})
