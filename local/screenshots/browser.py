"""Headless Chromium, spoken to over a pipe in the DevTools protocol: no port and no library.

https://chromedevtools.github.io/devtools-protocol/ describes the messages. Over the pipe they are
JSON, each ended by a NUL. When the pipe closes, as it does when this process dies, Chromium ends.
"""

import base64
import json
import os
import select
import subprocess
import time
from typing import Any

from schema.errors.base import KaiwaError

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.25
# What a page is like; its numbers aside, because "5 seconds ago" never stops changing.
_LOOK = """[
    document.body?.innerText.replace(/\\d+/g, ''),
    document.getElementsByTagName('*').length,
    [...document.images].every(image => image.complete),
]"""
_STILL_LOOKS = 5  # looks in a row at which a page must be the same before it counts as drawn


class BrowserFailed(KaiwaError):
    """Chromium failed."""

    reason: str

    def __str__(self) -> str:
        return f"Chromium failed: {self.reason}."


class Browser:
    """One running Chromium with one page.

    Args:
        process: Takes commands on its standard input and answers on its standard output.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._received = b""
        self._number = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the page a size in pixels, and a theme that it may follow."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[theme])

    def open(self, url: str) -> None:
        """Go to a page, without waiting for it.

        Raises:
            BrowserFailed: If nobody answers there.
        """
        if error := self._call("Page.navigate", url=url).get("errorText"):
            reason = f"{url} cannot be opened: {error}"
            raise BrowserFailed(reason)

    def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Evaluate JavaScript in the page; return its value.

        Raises:
            BrowserFailed: If it throws.
        """
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"].get("exception", {}).get("description", "it threw")
            raise BrowserFailed(thrown)
        return done["result"].get("value")

    def click(self, element: str) -> None:
        """Click on the middle of an element, a JavaScript expression, once it is there.

        Raises:
            BrowserFailed: If it is not there within a minute.
        """
        self.wait_until(f"!!{element}")
        box = f"{element}.getBoundingClientRect()"
        left, top, width, height = self.run(
            f"(({{x, y, width, height}}) => [x, y, width, height])({box})"
        )
        for event in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                type=event,
                x=left + width / 2,
                y=top + height / 2,
                button="left",
                clickCount=1,
            )

    def wait_until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true.

        Raises:
            BrowserFailed: If that takes more than a minute.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.run(condition):
            if time.monotonic() > deadline:
                url, text = self.run("[location.href, document.body?.innerText.slice(0, 300)]")
                reason = f"{condition} is still not so at {url}, which shows: {text}"
                raise BrowserFailed(reason)
            time.sleep(_LOOK_SECONDS)

    def wait_still(self) -> None:
        """Wait until text and pictures of the page have stopped changing, a minute at most."""
        deadline, seen, looks = time.monotonic() + _PATIENCE_SECONDS, None, 0
        while looks < _STILL_LOOKS and time.monotonic() < deadline:
            look = self.run(_LOOK)
            looks, seen = (looks + 1 if look == seen else 0), look
            time.sleep(_LOOK_SECONDS)

    def photograph(self) -> bytes:
        """Return what the page shows now, PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        session = getattr(self, "_session", None)
        if session is not None:
            message["sessionId"] = session
        assert self._process.stdin is not None  # noqa: S101 - it was started with pipes
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\0")
            self._process.stdin.flush()
        except BrokenPipeError:
            reason = "it has ended"
            raise BrowserFailed(reason) from None
        while True:  # what is not the answer is an event, which nobody waits for
            answer = json.loads(self._read())
            if answer.get("id") == self._number:
                break
        if "error" in answer:
            reason = f"{method}: {answer['error']['message']}"
            raise BrowserFailed(reason)
        return dict(answer["result"])

    def _read(self) -> bytes:
        """Return the next message."""
        assert self._process.stdout is not None  # noqa: S101 - it was started with pipes
        descriptor = self._process.stdout.fileno()
        parts = [self._received]
        while b"\0" not in parts[-1]:
            readable, _, _ = select.select([descriptor], [], [], _PATIENCE_SECONDS)
            part = os.read(descriptor, 1 << 20) if readable else b""
            if not part:
                reason = "it has ended" if readable else f"no answer for {_PATIENCE_SECONDS:.0f} s"
                raise BrowserFailed(reason)
            parts.append(part)
        message, _, self._received = b"".join(parts).partition(b"\0")
        return message
