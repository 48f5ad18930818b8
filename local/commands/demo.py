"""`python -m local demo`: the main job for real on this machine."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import errors_to_stderr
from settings.demo import DemoSettings

Folder = Annotated[
    Path, typer.Option(help="Where the local stack's state lives; deleting it is a clean reset.")
]


def demo(folder: Folder = Path(".local")) -> None:
    """Analyse learners' recordings through a real deployment, check the result, stop everything.

    The learners are synthetic; with CORPUS set to a folder of speechocean762 they are real.
    """
    from local.demo.run import run_demo  # loads the analysis engine: only for the demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up after itself
    with errors_to_stderr():
        run_demo(folder, DemoSettings().corpus, Console(highlight=False))
