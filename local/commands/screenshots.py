"""`python -m local screenshots`: the Prefect UI, after everything has run once."""

import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import errors_to_stderr
from local.demo.run import stage
from local.demo.steps import step
from local.screenshots import chromium, readme
from local.screenshots.camera import photograph_all
from local.screenshots.story import tell
from local.stack import Stack

Folder = Annotated[
    Path, typer.Option(help="Where the pictures and the stack's state go; emptied first.")
]


def screenshots(folder: Folder = Path(".local/screenshots")) -> None:
    """Run everything once, photograph the Prefect UI and renew the README's pictures."""
    pictures, stack = folder / "pictures", folder / "stack"
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up after itself
    with errors_to_stderr():
        chromium.find_browser()  # before minutes are spent
        Stack(stack).down()
        for old in (stack, pictures):
            shutil.rmtree(old, ignore_errors=True)
        with stage(stack, console) as scene:
            tell(scene)
            with step(console, "Everything is photographed") as report:
                report(f"{photograph_all(scene, stack.resolve(), pictures)} pictures")
        readme.renew(pictures)
    console.print(f"All are in {pictures}; those of the README are renewed.")
