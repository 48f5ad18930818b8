"""Triggers `analyze-messages` through its deployment and follows it until it ends."""

import time
from collections.abc import Collection
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine

from deployments.demo.outcomes import SETTLED, count_states, read_outcomes
from schema.errors import KaiwaError

DEPLOYMENT = "analyze-messages/analyze-messages"
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


def run_analysis(
    api_url: str,
    engine: Engine,
    message_ids: Collection[str],
    *,
    fail_above_percent: float,
    log: str,
    console: Console,
) -> FlowRun:
    """Run the deployment and show its progress in our messages; return the ended run.

    Raises:
        RunStalled: If neither the run nor any message changes its state for five minutes.
    """
    # A proxy of the environment must not come between two ends of loopback.
    with SyncPrefectClient(api_url, httpx_settings={"trust_env": False}) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters={"fail_above_percent": fail_above_percent}
        )
        return _follow(client, run.id, engine, message_ids, log, console)


def _follow(
    client: SyncPrefectClient,
    run_id: UUID,
    engine: Engine,
    message_ids: Collection[str],
    log: str,
    console: Console,
) -> FlowRun:
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[states]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("waiting", total=len(message_ids), states="")
        seen, changed_at = None, time.monotonic()
        while True:
            run = client.read_flow_run(run_id)
            state = str(run.state.name) if run.state else "unknown"
            counts = count_states(read_outcomes(engine, message_ids))
            progress.update(
                bar,
                description=f"analyze-messages: {state}",
                completed=sum(counts[settled] for settled in SETTLED),
                states=", ".join(f"{number} {name}" for name, number in counts.items()),
            )
            if run.state is not None and run.state.is_final():
                return run
            if (state, counts) != seen:
                seen, changed_at = (state, counts), time.monotonic()
            elif time.monotonic() - changed_at > STALLED_SECONDS:
                raise RunStalled(state, log)
            time.sleep(_POLL_SECONDS)
