"""`kaiwa-audio backfill`: what is done with a backfill once it is over."""

from typing import Annotated

import typer

from cli.errors import errors_to_stderr

app = typer.Typer(help="Backfills: history, analysed again.", no_args_is_help=True)


@app.callback()
def backfill() -> None:
    """Keep `release` a subcommand while it is the only one."""


@app.command()
def release(
    number: Annotated[int, typer.Argument(help="The backfill's number.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let go of the analyses that a backfill overwrote; it can no longer be undone."""
    if not yes:
        typer.confirm(f"Backfill {number} can no longer be undone then. Go on?", abort=True)
    from tasks.backfill import (
        undo_backfill,  # loads the analysis engine: only when a command needs it
    )

    with errors_to_stderr():
        count = undo_backfill.release(number)
    typer.echo(f"Released: what {count:,} messages said before is no longer kept.")
