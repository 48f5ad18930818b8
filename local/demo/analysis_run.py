"""Runs `analyze-messages` and shows the progress of the demo's messages."""

from collections.abc import Collection

from prefect.client.schemas.objects import FlowRun
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine

from local.addresses import PrefectAddress
from local.demo.deployment_run import run_deployment
from local.demo.outcomes import SETTLED, count_states, read_outcomes

DEPLOYMENT = "analyze-messages"


def run_analysis(
    prefect: PrefectAddress,
    engine: Engine,
    message_ids: Collection[str],
    *,
    fail_above_percent: float,
    log: str,
    console: Console,
) -> FlowRun:
    """Run the deployment, show the progress of these messages, and return the ended run.

    Raises:
        RunStalled: If neither the run nor any message changes state for five minutes.
    """
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[states]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("waiting", total=len(message_ids), states="")

        def watch(state: str) -> object:
            counts = count_states(read_outcomes(engine, message_ids))
            progress.update(
                bar,
                description=f"{DEPLOYMENT}: {state}",
                completed=sum(counts[settled] for settled in SETTLED),
                states=", ".join(f"{number} {name}" for name, number in counts.items()),
            )
            return counts

        parameters = {"fail_above_percent": fail_above_percent}
        return run_deployment(prefect, DEPLOYMENT, parameters, log=log, watch=watch)
