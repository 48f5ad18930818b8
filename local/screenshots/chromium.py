"""A headless Chromium that reaches loopback alone and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local.environment import child_environment
from local.process import MARK
from local.screenshots.browser import Browser
from schema.errors.base import KaiwaError

NAMES = ("chromium", "chromium-browser", "google-chrome")
_STOP_SECONDS = 10.0
# DevTools reads its commands from descriptor 3 and answers on 4; the shell moves them there.
_ON_3_AND_4 = 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2'
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # Nothing but loopback: no other name is resolved, and the rest goes to a proxy that is not.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--proxy-server=127.0.0.1:9",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-dev-shm-usage",  # containers have 64 MB there, and a tall page needs more
    "--hide-scrollbars",
    "--lang=en-GB",
)


class BrowserMissing(KaiwaError):
    """No Chromium is installed."""

    def __str__(self) -> str:
        return f"None of {', '.join(NAMES)} is installed. On Debian: `apt-get install chromium`."


def find_browser() -> str:
    """Return the path of an installed Chromium.

    Raises:
        BrowserMissing: If there is none.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BrowserMissing


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """Start Chromium for a while.

    Args:
        folder: Of the local stack, absolute: the browser's profile and log lie in it, and stopping
            the stack would stop a browser that was left behind.

    Raises:
        BrowserMissing: If none is installed.
        BrowserFailed: If it does not start.
    """
    profile, log = folder / "chromium", folder / "logs" / "chromium.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [find_browser(), *_OPTIONS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # it refuses to start as root otherwise
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _ON_3_AND_4, "sh", *command],
            env={**child_environment(folder), MARK: str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Browser(process)
    finally:
        _stop(process)
        shutil.rmtree(profile, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, whereupon it ends; kill what is left of its session."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what it did not live to read
                pipe.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
