"""Photograph the Prefect UI after everything has run once: `make screenshots`."""

import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deployments.demo.run import stage
from deployments.demo.steps import step
from deployments.local.stack import Stack
from deployments.screenshots import chromium, readme
from deployments.screenshots.camera import photograph_all
from deployments.screenshots.story import tell
from schema.errors import KaiwaError

FOLDER = Path(".local/screenshots")


def main(arguments: Sequence[str]) -> int:
    """Take every picture into a folder, the first argument, and stop all that was started."""
    folder = Path(arguments[0]) if arguments else FOLDER
    pictures, stack = folder / "pictures", folder / "stack"
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it cleans up after itself
    try:
        chromium.find_browser()  # before minutes are spent
        Stack(stack).down()
        for old in (stack, pictures):
            shutil.rmtree(old, ignore_errors=True)
        with stage(stack, console) as scene:
            tell(scene)
            with step(console, "Everything is photographed") as report:
                report(f"{photograph_all(scene, stack.resolve(), pictures)} pictures")
        readme.renew(pictures)
    except KaiwaError as error:
        console.print(f"[red]Error:[/] {error}", markup=True)
        return 1
    console.print(f"All are in {pictures}; those of the README are renewed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
