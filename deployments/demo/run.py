"""The demo: the main job for real on this machine, checked, and everything stopped again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deployments.demo.analysis_run import run_analysis
from deployments.demo.corpus import read_corpus
from deployments.demo.learners import record_all
from deployments.demo.outcomes import complaint, read_outcomes, surprises
from deployments.demo.report import print_report
from deployments.demo.upload import upload
from deployments.local.addresses import StackAddresses
from deployments.local.stack import Stack
from schema.clock import utc_now
from schema.errors import KaiwaError
from stores import database

CORPUS_RECORDINGS = 240
_FAIL_ABOVE_PERCENT = 50.0  # a fifth of the synthetic recordings fail on purpose

Report = Callable[[str], None]


class DemoFailed(KaiwaError):
    """The demo did not do what it says."""

    def __init__(self, reason: str, log: str) -> None:
        self.reason, self.log = reason, log
        super().__init__(f"The demo failed: {reason}. Look into {log}.", reason, log)


def run_demo(folder: Path, corpus: Path | None, console: Console) -> None:
    """Run the whole demo.

    Args:
        folder: Of the local stack; a stack that runs there already is used and left running.
        corpus: Folder of speechocean762; None: synthetic learners.
        console: Gets each step, the progress and the result.

    Raises:
        KaiwaError: If any step did not do what it says; what the demo started is stopped.
    """
    stack = Stack(folder)
    was_running = all(stack.status().values())
    with _step(console, "The stack is up") as report:
        addresses = stack.up(report)  # what fails to start is stopped again
    try:
        _demonstrate(addresses, stack.folder / "logs" / "prefect-worker.log", corpus, console)
    finally:
        if was_running:
            console.print("The stack was running before, so it is left running.")
        else:
            _stop(stack, console)


def _demonstrate(
    addresses: StackAddresses, log: Path, corpus: Path | None, console: Console
) -> None:
    engine = database.connect(addresses.database_url.get_secret_value())
    with _step(console, "Learners have spoken") as report:
        recordings = list(
            record_all() if corpus is None else read_corpus(corpus, CORPUS_RECORDINGS)
        )
        seconds = sum(recording.duration_seconds for recording in recordings)
        report(f"{len(recordings)} messages, {seconds:.0f} s of audio")
    with _step(console, "Recordings and messages are uploaded"):
        uploaded = upload(engine, addresses.s3.bucket(), recordings, as_of=utc_now())
    spoken = [message_id for message_id in uploaded if uploaded[message_id].audio is not None]
    with _step(console, "The deployment analyze-messages has run") as report:
        run = run_analysis(
            addresses.prefect_api_url,
            engine,
            spoken,
            fail_above_percent=_FAIL_ABOVE_PERCENT,
            log=str(log),
            console=console,
        )
        report(f"flow run {run.name} ended {run.state.name if run.state else 'without a state'}")
    outcomes = read_outcomes(engine, uploaded)
    engine.dispose()
    unexpected = surprises(uploaded, outcomes)
    print_report(console, uploaded, outcomes, unexpected)
    if run.state is None or not run.state.is_completed():
        told = run.state.message if run.state else None
        reason: str | None = f"the flow run did not complete: {told or 'it gave no reason'}"
    else:
        reason = complaint(uploaded, outcomes, unexpected)
    if reason is not None:
        raise DemoFailed(reason, str(log))
    console.print("[green]✓[/] Every recording ended as it should.")


def _stop(stack: Stack, console: Console) -> None:
    with _step(console, "Everything is stopped"):
        stack.down()
        left = [name for name, running in stack.status().items() if running]
        if left:
            reason = f"{' and '.join(left)} cannot be stopped; run `make down`"
            raise DemoFailed(reason, str(stack.folder / "logs"))


@contextmanager
def _step(console: Console, title: str) -> Iterator[Report]:
    """Time a step and print it once it is done; the yielded function prints a part of it."""
    started = time.monotonic()

    def report(part: str) -> None:
        console.print(f"  {escape(part)} [dim]{time.monotonic() - started:.1f} s[/]")

    yield report
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")
