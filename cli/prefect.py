"""`kaiwa-audio prefect`: set up a Prefect server for this project."""

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from deployments.work_pool import PoolType, base_job_template, read_template

app = typer.Typer(help="Set up a Prefect server for this project.", no_args_is_help=True)


@app.callback()
def prefect() -> None:
    """Keep `bootstrap` a subcommand while it is the only one."""


@app.command()
def bootstrap(
    pool_type: Annotated[PoolType, typer.Option(help="How runs are started.")] = PoolType.PROCESS,
    image: Annotated[
        str | None, typer.Option(help="Container image; later runs of this command remember it.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--base-job-template",
            help="Job template, such as an edited copy from deployments/job_templates.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    prefect_yaml: Annotated[
        Path, typer.Option(help="File that lists the deployments.", exists=True, dir_okay=False)
    ] = Path("prefect.yaml"),
) -> None:
    """Create or update work pool, automations and deployments at PREFECT_API_URL."""
    # These load Prefect and pydantic: only when the command runs.
    from deployments.bootstrap import bootstrap as register
    from settings.environment import NotificationSettings

    console = Terminal()
    with errors_to_stderr():
        register(
            prefect_yaml,
            pool_type,
            read_template(template) if template else base_job_template(pool_type),
            image=image,
            webhook_url=NotificationSettings().webhook_url,
            report=lambda step: console.print(step),
        )
