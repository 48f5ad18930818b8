"""`kaiwa-audio ledger`: verify the record of all deletions."""

import re
from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from schema.facts.deletion import LedgerHead
from schema.wording import counted

app = typer.Typer(help="The ledger: a record of all deletions.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """Keep `verify` a subcommand while it is the only one."""


def _head(value: str) -> LedgerHead:
    """Parse a head."""
    if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", value):
        message = "must be POSITION:HASH, as printed by `ledger verify` and in a sweep's summary."
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
            help="Previously recorded head; without it, truncation goes undetected.",
        ),
    ] = None,
) -> None:
    """Recompute the hash chain of all completed deletions; exits with 1 if it is broken."""
    # These load SQLAlchemy: only when the command runs.
    from stores.deletion import ledger as store
    from tasks.resources.database import in_transaction

    with errors_to_stderr():
        found = in_transaction(store.verify, head)
    console = Terminal()
    broken = found.broken
    if broken is None:
        console.print(
            f"The ledger is intact: {counted(found.head.position, 'completed deletion')}."
        )
        console.print(f"Head, to be recorded outside this database: {found.head}")
        return
    where = "outside the chain" if broken.position is None else f"at position {broken.position:,}"
    entry = "an entry is missing" if broken.entry_id is None else f"entry {broken.entry_id}"
    console.print(f"The ledger is broken {where}, {entry}: {broken.problem}.", style="red")
    console.print(f"Intact up to {found.head}. Compare later entries with a backup.")
    raise typer.Exit(1)
