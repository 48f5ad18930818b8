"""Triggers a deployment, follows its run until it ends, and reads the summary it leaves."""

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

from local.addresses import PrefectAddress
from schema.errors.base import KaiwaError

_POLL_SECONDS = 0.5
STALLED_SECONDS = 300.0


class RunStalled(KaiwaError):
    """An unfinished run makes no progress."""

    state: str
    log: str

    def __str__(self) -> str:
        return (
            f"The run has made no progress for {STALLED_SECONDS:.0f} s; its state is {self.state}. "
            f"See {self.log}."
        )


class RunPaused(KaiwaError):
    """A run waits for approval, which the demo cannot give."""

    deployment: str

    def __str__(self) -> str:
        return (
            f"A run of {self.deployment} waits for approval, because earlier demos left much that "
            "is due. Run `make up`, approve or cancel the run in the Prefect UI, then run the demo "
            "again; or delete the stack's folder."
        )


def run_deployment(
    prefect: PrefectAddress,
    name: str,
    parameters: Mapping[str, Any],
    *,
    log: str,
    watch: Callable[[str], object] = lambda _state: None,
) -> FlowRun:
    """Run a deployment; return the ended run.

    Args:
        prefect: The Prefect server.
        name: Of the deployment and its flow.
        parameters: Override the deployment's.
        log: The log that errors refer to.
        watch: Called with the run's state at each poll; its result changes while work goes on.

    Raises:
        RunStalled: If neither the state nor what `watch` returns changes for five minutes.
        RunPaused: If the run waits for a person's approval.
    """
    with client_of(prefect) as client:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        run = client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        last, changed_at = None, time.monotonic()
        while True:
            run = client.read_flow_run(run.id)
            state = str(run.state.name) if run.state else "unknown"
            progress = (state, watch(state))
            if run.state is not None and run.state.is_final():
                return run
            if run.state is not None and run.state.is_paused():
                raise RunPaused(name)
            if progress != last:
                last, changed_at = progress, time.monotonic()
            elif time.monotonic() - changed_at > STALLED_SECONDS:
                raise RunStalled(state, log)
            time.sleep(_POLL_SECONDS)


def failure(run: FlowRun) -> str | None:
    """Return why an ended run did not complete; None if it did."""
    if run.state is not None and run.state.is_completed():
        return None
    reason = run.state.message if run.state else None
    return f"the flow run {run.name} did not complete: {reason or 'it gave no reason'}"


def read_summary(prefect: PrefectAddress, run: FlowRun, key: str) -> str | None:
    """Return the run's newest artifact of this key, Markdown; None if there is none."""
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]), key=ArtifactFilterKey(any_=[key])
    )
    with client_of(prefect) as client:
        found = client.read_artifacts(
            artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1
        )
    return str(found[0].data) if found else None


def client_of(prefect: PrefectAddress) -> SyncPrefectClient:
    """Return a client of this server, whatever the environment says."""
    return SyncPrefectClient(
        prefect.api_url,
        auth_string=prefect.password.get_secret_value(),
        httpx_settings={"trust_env": False},  # requests to loopback must not go through a proxy
    )
