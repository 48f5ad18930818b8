"""`python -m local demo`: every main job on this machine, with its results checked."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from settings.demo import DemoSettings

Folder = Annotated[Path, typer.Option(help="Folder of the local stack; delete it to start afresh.")]


def demo(folder: Folder = Path(".local")) -> None:
    """Analyse learners' recordings, age and delete some, and check every result.

    Starts the stack, runs the deployments and stops everything again; takes a few minutes. The
    learners are synthetic unless CORPUS names a folder of speechocean762.
    """
    from local.demo.run import run_demo  # loads Prefect: only when it is needed

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up
    with errors_to_stderr():
        run_demo(folder, DemoSettings().corpus, Terminal(soft_wrap=False, markup=True))
