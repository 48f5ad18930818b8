"""`python -m local screenshots`: pictures of the Prefect UI after every flow has run."""

import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from local.stack import Stack
from schema.errors.base import KaiwaError
from schema.wording import counted

Folder = Annotated[
    Path, typer.Option(help="Folder for the pictures and the stack's state; emptied first.")
]


class PlaywrightMissing(KaiwaError):
    """The extra `screenshots` is not installed."""

    def __str__(self) -> str:
        return (
            "Playwright, which drives the browser, is not installed. "
            "Run `.venv/bin/python -m pip install '.[screenshots]'`."
        )


def screenshots(folder: Folder = Path(".local/screenshots")) -> None:
    """Run every flow, photograph the Prefect UI and renew the pictures of the README.

    Takes about a quarter of an hour and needs Chromium.
    """
    pictures, stack = folder / "pictures", folder / "stack"
    console = Terminal(soft_wrap=False, markup=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up
    with errors_to_stderr():
        if find_spec("playwright") is None:
            raise PlaywrightMissing
        # These load Prefect and Playwright: only when they are needed.
        from local.demo.run import stage
        from local.demo.steps import step
        from local.screenshots import browser, readme
        from local.screenshots.camera import photograph_all
        from local.screenshots.story import run_story

        browser.find_browser()  # before anything is started
        Stack(stack).down()
        for old in (stack, pictures):
            shutil.rmtree(old, ignore_errors=True)
        with stage(stack, console) as scene:
            run_story(scene)
            with step(console, "Pictures taken") as report:
                report(counted(photograph_all(scene, stack.resolve(), pictures), "picture"))
        readme.renew(pictures)
    console.print(f"The pictures are in {pictures}; those of the README are renewed.")
