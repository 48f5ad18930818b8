"""The demo's steps: each is timed and printed; the first that fails ends the demo."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Engine

from local.addresses import PrefectAddress
from schema.errors.base import KaiwaError
from stores.bucket.audio_bucket import AudioBucket

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the demo's steps work with."""

    prefect: PrefectAddress
    engine: Engine  # of the app's database
    bucket: AudioBucket
    log: str  # path that errors refer to
    console: Console
    reports: Path  # files of flow runs


class DemoFailed(KaiwaError):
    """A step of the demo failed."""

    reason: str
    log: str

    def __str__(self) -> str:
        return f"The demo failed: {self.reason}. See {self.log}."


@contextmanager
def step(console: Console, title: str) -> Iterator[Report]:
    """Time a step and print it when it is done; the yielded function prints a part of it."""
    started = time.monotonic()

    def report(part: str) -> None:
        console.print(f"  {escape(part)} [dim]{time.monotonic() - started:.1f} s[/]")

    yield report
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")
