"""`kaiwa-audio ledger`: the record of everything that was deleted."""

import re
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import errors_to_stderr
from schema.facts.deletion import LedgerHead

app = typer.Typer(help="The record of everything that was deleted.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """Keep `verify` a subcommand while it is the only one."""


def _head(value: str) -> LedgerHead:
    """Read a noted head."""
    if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", value):
        message = "should read POSITION:HASH, as `ledger verify` and a sweep's summary write it."
        raise typer.BadParameter(message)
    position, _, digest = value.partition(":")
    return LedgerHead(int(position), digest)


@app.command()
def verify(
    head: Annotated[
        LedgerHead | None,
        typer.Option(
            parser=_head,
            metavar="POSITION:HASH",
            help="A head noted before: without it a cut-off end does not show.",
        ),
    ] = None,
) -> None:
    """Recompute the chain of all finished deletions; exit with 1 where it breaks."""
    from stores.deletion import ledger as store
    from tasks.resources.database import (
        in_transaction,  # loads the analysis engine: only when a command needs it
    )

    with errors_to_stderr():
        found = in_transaction(store.verify, head)
    console = Console(soft_wrap=True, highlight=False)
    broken = found.broken
    if broken is None:
        console.print(f"The ledger is whole: {found.head.position:,} finished deletions.")
        console.print(f"Head, to be noted where no one can change it: {found.head}")
        return
    where = "Outside the chain" if broken.position is None else f"At place {broken.position:,}"
    entry = "an entry is missing" if broken.entry_id is None else f"entry {broken.entry_id}"
    console.print(f"The ledger is broken. {where}, {entry}: {broken.problem}.", style="red")
    console.print(f"Whole up to {found.head}. Compare the table with a backup from there on.")
    raise typer.Exit(1)
