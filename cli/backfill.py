"""`kaiwa-audio backfill`: release a finished backfill."""

from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from schema.wording import counted

app = typer.Typer(help="Backfills: re-analysis of stored recordings.", no_args_is_help=True)


@app.callback()
def backfill() -> None:
    """Keep `release` a subcommand while it is the only one."""


@app.command()
def release(
    number: Annotated[int, typer.Argument(metavar="BACKFILL_ID", help="The backfill.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
) -> None:
    """Discard the analyses that a backfill overwrote; it can no longer be undone."""
    from tasks.backfill import release as releases  # loads SQLAlchemy: only when needed

    with errors_to_stderr():
        releases.require_releasable(number)  # before anyone is asked
    if not yes:
        typer.confirm(f"Backfill {number} can then no longer be undone. Continue?", abort=True)
    with errors_to_stderr():
        count = releases.release(number)
    typer.echo(f"Released: discarded the previous analyses of {counted(count, 'message')}.")
