"""`python -m local up`, `down` and `status`: the stack, without Docker."""

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from local.prefect import password_file, reports_folder
from local.stack import Stack

console = Terminal(markup=True)

Folder = Annotated[Path, typer.Option(help="Folder for all state; delete it to start afresh.")]
DEFAULT_FOLDER = Path(".local")


def up(folder: Folder = DEFAULT_FOLDER) -> None:
    """Start Postgres, an S3 server, Prefect and a worker; migrate and deploy. Safe to repeat."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up
    begin = time.monotonic()
    with errors_to_stderr():
        stack = Stack(folder)
        addresses = stack.up(lambda step: console.print(f"  {step}", markup=False))
    console.print(f"The stack is up ({time.monotonic() - begin:.0f} s).\n")
    table = Table.grid(padding=(0, 2))
    table.add_row("Prefect UI", f"{addresses.prefect.ui_url}  (open it in a browser)")
    table.add_row("Its password", f"cat {password_file(stack.folder)}  (paste all of it)")
    table.add_row("S3", addresses.s3.endpoint)
    table.add_row("Logs", str(stack.folder / "logs"))
    table.add_row("Reports", str(reports_folder(stack.folder)))
    table.add_row("Settings and secrets", f"source {stack.folder / 'env'}")
    here = folder == DEFAULT_FOLDER
    table.add_row("Stop it", "make down" if here else f"python -m local down --folder {folder}")
    console.print(table)


def down(folder: Folder = DEFAULT_FOLDER) -> None:
    """Stop the stack; keep its data."""
    with errors_to_stderr():
        Stack(folder).down()
    console.print(f"The stack is down. Its data is still in {folder}.")


def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show which parts run; exit with 1 unless all do."""
    stack = Stack(folder)
    parts = stack.status()
    for name, running in parts.items():
        console.print(f"{name:<16} {'[green]up' if running else '[red]down'}")
    if addresses := stack.addresses():
        console.print(f"{'Prefect UI':<16} {addresses.prefect.ui_url}", markup=False)
    if not all(parts.values()):
        raise typer.Exit(1)
