"""`kaiwa-audio prefect`: what this project needs on a Prefect server."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import errors_to_stderr
from deployments.work_pool import PoolType, base_job_template, read_template
from settings.environment import NotificationSettings

app = typer.Typer(help="What this project needs on a Prefect server.", no_args_is_help=True)


@app.callback()
def prefect() -> None:
    """Keep `bootstrap` a subcommand while it is the only one."""


@app.command()
def bootstrap(
    pool_type: Annotated[PoolType, typer.Option(help="What starts a run.")] = PoolType.PROCESS,
    image: Annotated[
        str | None, typer.Option(help="Image of containers; once given, it stays.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--base-job-template",
            help="Your own copy of one in deployments/job_templates.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    prefect_yaml: Annotated[
        Path, typer.Option(help="The deployments.", exists=True, dir_okay=False)
    ] = Path("prefect.yaml"),
) -> None:
    """Make work pool, automations and deployments on PREFECT_API_URL; safe to repeat."""
    from deployments.bootstrap import bootstrap as register  # loads Prefect: only when needed

    console = Console(soft_wrap=True, highlight=False)
    with errors_to_stderr():
        register(
            prefect_yaml,
            pool_type,
            read_template(template) if template else base_job_template(pool_type),
            image=image,
            webhook_url=NotificationSettings().webhook_url,
            report=lambda step: console.print(step, markup=False),
        )
