"""The demo: runs the main jobs on this machine, checks their results, stops everything."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from local.demo.analysis_run import run_analysis
from local.demo.backfill import show_backfill
from local.demo.corpus import read_corpus
from local.demo.costs import show_costs
from local.demo.deployment_run import failure
from local.demo.learners import record_all
from local.demo.life_of_audio import show_life
from local.demo.outcomes import Outcome, complaint, read_outcomes, surprises
from local.demo.quality import show_quality
from local.demo.recordings import Recording
from local.demo.report import print_report
from local.demo.steps import DemoFailed, Scene, step
from local.demo.upload import upload
from local.prefect import reports_folder
from local.stack import Stack
from schema.clock import utc_now
from schema.wording import counted
from stores import database

CORPUS_RECORDINGS = 240
_FAIL_ABOVE_PERCENT = 50.0  # a fifth of the synthetic recordings fail deliberately


def run_demo(folder: Path, corpus: Path | None, console: Console) -> None:
    """Run the whole demo.

    Args:
        folder: Folder of the local stack; a stack that already runs there is left running.
        corpus: Folder of speechocean762; None: synthetic learners.
        console: Where steps, progress and results are printed.

    Raises:
        KaiwaError: If a step fails; what the demo started is stopped.
    """
    with stage(folder, console) as scene:
        demonstrate(scene, corpus)


@contextmanager
def stage(folder: Path, console: Console) -> Iterator[Scene]:
    """Run the local stack of a folder; one that already runs there is left running.

    Raises:
        KaiwaError: If it does not start or cannot be stopped.
    """
    stack = Stack(folder)
    was_running = all(stack.status().values())
    with step(console, "Started the stack") as report:
        addresses = stack.up(report)  # stops everything if a part fails to start
    engine = database.connect(addresses.database_url.get_secret_value())
    try:
        yield Scene(
            addresses.prefect,
            engine,
            addresses.s3.bucket(),
            str(stack.folder / "logs" / "prefect-worker.log"),
            console,
            reports_folder(stack.folder),
        )
    finally:
        engine.dispose()
        if was_running:
            console.print("The stack ran before the demo, so it keeps running.")
        else:
            _stop(stack, console)


def demonstrate(scene: Scene, corpus: Path | None) -> Mapping[str, Recording]:
    """Upload learners' recordings and run the main jobs; return the recordings by message id.

    Raises:
        KaiwaError: If a step fails.
    """
    console = scene.console
    with step(console, "Recorded the learners") as report:
        recordings = list(
            record_all() if corpus is None else read_corpus(corpus, CORPUS_RECORDINGS)
        )
        seconds = sum(recording.duration_seconds for recording in recordings)
        report(f"{counted(len(recordings), 'message')}, {seconds:.0f} s of audio")
    with step(console, "Uploaded recordings and messages"):
        uploaded = upload(scene.engine, scene.bucket, recordings, as_of=utc_now())
    outcomes = _analyze(scene, uploaded)
    console.print("[green]✓[/] Every recording has its expected outcome.")
    show_life(scene, uploaded, outcomes)
    show_costs(scene, uploaded)
    show_quality(scene, outcomes)
    show_backfill(scene, outcomes)
    return uploaded


def _analyze(scene: Scene, uploaded: Mapping[str, Recording]) -> dict[str, Outcome]:
    """Analyse the uploaded recordings and print the outcomes."""
    spoken = [message_id for message_id in uploaded if uploaded[message_id].audio is not None]
    with step(scene.console, "Ran analyze-messages") as report:
        run = run_analysis(
            scene.prefect,
            scene.engine,
            spoken,
            fail_above_percent=_FAIL_ABOVE_PERCENT,
            log=scene.log,
            console=scene.console,
        )
        report(f"flow run {run.name} ended {run.state.name if run.state else 'without a state'}")
    outcomes = read_outcomes(scene.engine, uploaded)
    unexpected = surprises(uploaded, outcomes)
    print_report(scene.console, uploaded, outcomes, unexpected)
    reason = failure(run) or complaint(uploaded, outcomes, unexpected)
    if reason is not None:
        raise DemoFailed(reason, scene.log)
    return outcomes


def _stop(stack: Stack, console: Console) -> None:
    with step(console, "Stopped the stack"):
        stack.down()
        left = [name for name, running in stack.status().items() if running]
        if left:
            reason = f"{' and '.join(left)} did not stop; run `make down`"
            raise DemoFailed(reason, str(stack.folder / "logs"))
