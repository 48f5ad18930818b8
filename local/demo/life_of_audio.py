"""Shows the life of recordings after their analysis: signed URLs, ageing, deletion."""

from collections.abc import Collection, Mapping

from rich.markdown import Markdown

from local.demo import audio_states
from local.demo.audio_states import AudioState, fetch, read_audio, read_urls
from local.demo.deployment_run import failure, read_summary, run_deployment
from local.demo.life_report import print_ages
from local.demo.old_recordings import AGE, CASES, OldRecording, choose, make_old
from local.demo.outcomes import Outcome
from local.demo.recordings import Recording
from local.demo.steps import DemoFailed, Scene, step
from schema.states import DeletionState
from schema.wording import counted
from stores.deletion import ledger

REFRESH = "refresh-signed-urls"
SWEEP = "sweep-retention"
_SWEEPS_AT_MOST = 3


def show_life(
    scene: Scene, uploaded: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> None:
    """Sign URLs, age four recordings, and sweep, first as a dry run.

    Raises:
        DemoFailed: If a recording is not in the state that it should be in.
    """
    old = choose(uploaded, outcomes)
    if len(old) < len(CASES):
        reason = "too few learners were analysed to show ageing and deletion"
        raise DemoFailed(reason, scene.log)
    spoken = [message_id for message_id in uploaded if uploaded[message_id].audio is not None]
    urls = _sign(scene, spoken, old)
    title = f"Aged four recordings by {AGE.days} days, one of them under legal hold"
    with step(scene.console, title), scene.engine.begin() as connection:
        make_old(connection, old)
    before = _look(scene, spoken)
    _sweep(scene, dry_run=True)
    after_dry_run = _look(scene, spoken)
    _sweep(scene, dry_run=False)
    after = _look(scene, spoken)
    answers = {recording.message_id: fetch(urls[recording.message_id]) for recording in old}
    print_ages(scene.console, old, after_dry_run, after, answers)
    _check(scene, old, before, after_dry_run, after, answers)
    scene.console.print(
        "[green]✓[/] Only expired recordings were deleted, and the ledger records each."
    )


def _sign(scene: Scene, spoken: Collection[str], old: Collection[OldRecording]) -> dict[str, str]:
    """Sign URLs for all recordings and fetch four of them; return the URLs by message id."""
    _run(scene, REFRESH, {})
    urls = read_urls(scene.engine, spoken)
    if len(urls) < len(spoken):
        reason = f"{len(spoken) - len(urls)} of {counted(len(spoken), 'recording')} got no URL"
        raise DemoFailed(reason, scene.log)
    answers = [fetch(urls[recording.message_id]) for recording in old]
    if set(answers) != {200}:
        reason = f"signed URLs answered {', '.join(map(str, answers))} instead of 200"
        raise DemoFailed(reason, scene.log)
    scene.console.print(f"Fetched four signed URLs: {', '.join(map(str, answers))}.")
    return urls


def _sweep(scene: Scene, *, dry_run: bool) -> None:
    for _ in range(_SWEEPS_AT_MOST):
        if _run(scene, SWEEP, {"dry_run": dry_run}, " (dry run)" if dry_run else ""):
            return
        scene.console.print("Another sweep was at work, so this one ended at once. Trying again.")
    reason = "another sweep is at work; it may be waiting for approval in the Prefect UI"
    raise DemoFailed(reason, scene.log)


def _run(scene: Scene, name: str, parameters: Mapping[str, object], mode: str = "") -> bool:
    """Run a deployment and print its summary; return whether it left one."""
    with step(scene.console, f"Ran {name}{mode}"):
        run = run_deployment(scene.prefect, name, parameters, log=scene.log)
    reason = failure(run)
    if reason is not None:
        raise DemoFailed(reason, scene.log)
    summary = read_summary(scene.prefect, run, name)
    if summary is not None:
        scene.console.print(Markdown(summary))
    return summary is not None


def _look(scene: Scene, message_ids: Collection[str]) -> dict[str, AudioState]:
    return read_audio(scene.engine, scene.bucket, message_ids)


def _check(
    scene: Scene,
    old: Collection[OldRecording],
    before: Mapping[str, AudioState],
    after_dry_run: Mapping[str, AudioState],
    after: Mapping[str, AudioState],
    answers: Mapping[str, int],
) -> None:
    gone = [recording.message_id for recording in old if recording.goes]
    changed = audio_states.surprises(before, after_dry_run, gone=[])
    wrong = audio_states.surprises(before, after, gone=gone)
    wrong_answers = [m for m, status in answers.items() if (status == 200) != after[m].is_stored]
    entries = audio_states.read_deletions(scene.engine, gone)
    with scene.engine.connect() as connection:
        verified = ledger.verify(connection)
    reason = None
    if changed:
        reason = (
            f"after the dry run "
            f"{counted(len(changed), 'recording was', 'recordings were')} not as before; "
            "did a scheduled sweep run in between?"
        )
    elif wrong:
        reason = f"after the sweep {counted(len(wrong), 'recording was', 'recordings were')} wrong"
    elif wrong_answers:
        lacking = counted(len(wrong_answers), "URL does", "URLs do")
        reason = f"{lacking} not answer as the bucket does"
    elif sorted(entries) != sorted((message_id, DeletionState.DELETED) for message_id in gone):
        reason = (
            f"the deletion ledger has {counted(len(entries), 'entry', 'entries')} about "
            f"{counted(len(gone), 'deletion')}"
        )
    elif verified.broken:
        reason = f"the deletion ledger is broken: {verified.broken.problem}"
    if reason is not None:
        raise DemoFailed(reason, scene.log)
    scene.console.print(
        f"The deletion ledger is intact up to entry {verified.head.position} "
        f"(SHA-256 {verified.head.hash[:12]}…)."
    )
