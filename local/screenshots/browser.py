"""A headless Chromium, driven by Playwright, that reaches loopback alone and leaves no files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

from local.environment import child_environment
from local.process import MARK
from schema.errors.base import KaiwaError

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_SECONDS = 60.0
_LOOPBACK_ONLY = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--proxy-server=127.0.0.1:9",  # nobody listens there; loopback itself goes past any proxy
)
_LOOK_MILLISECONDS = 250
# True once text and images have been the same for five looks. Digits are left out: "5 seconds ago"
# never stops changing.
_IS_STILL = """() => {
    const look = JSON.stringify([
        document.body?.innerText.replace(/\\d+/g, ''),
        document.getElementsByTagName('*').length,
        [...document.images].every(image => image.complete),
    ]);
    const looks = look === window.kaiwaLook ? window.kaiwaLooks + 1 : 0;
    [window.kaiwaLook, window.kaiwaLooks] = [look, looks % 5];
    return looks >= 5;
}"""


class BrowserMissing(KaiwaError):
    """No Chromium is installed."""

    def __str__(self) -> str:
        return f"None of {', '.join(NAMES)} is installed. On Debian: `apt-get install chromium`."


class BrowserFailed(KaiwaError):
    """Chromium could not open or show a page."""

    reason: str

    def __str__(self) -> str:
        return f"Chromium failed: {self.reason}"


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
def open_page(folder: Path) -> Iterator[Page]:
    """Start Chromium with one empty page; close it at the end.

    Args:
        folder: Folder of the local stack, absolute. It holds the browser's profile meanwhile, and
            stopping the stack would also stop a browser that was left running.

    Raises:
        BrowserMissing: If none is installed.
        BrowserFailed: If Playwright reports an error.
    """
    profile = folder / "chromium"
    environment: dict[str, str | float | bool] = {**child_environment(folder), MARK: str(folder)}
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=find_browser(),
                args=_LOOPBACK_ONLY,
                chromium_sandbox=os.geteuid() != 0,  # Chromium's sandbox does not work as root
                env=environment,
                handle_sigterm=False,  # this process closes it
                locale="en-GB",
                timeout=TIMEOUT_SECONDS * 1000,
            )
            browser.set_default_timeout(TIMEOUT_SECONDS * 1000)
            try:
                yield browser.pages[0]
            finally:
                with suppress(Error):  # it may have died
                    browser.close()
    except Error as error:
        raise BrowserFailed(error.message) from error
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def wait_still(page: Page) -> None:
    """Wait until text and images have stopped changing, but no longer than a minute."""
    with suppress(TimeoutError):
        page.wait_for_function(_IS_STILL, polling=_LOOK_MILLISECONDS)
