"""What becomes of recordings after their analysis: they get URLs, grow old and are deleted."""

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
from stores.deletion import ledger

REFRESH = "refresh-signed-urls"
SWEEP = "sweep-retention"
_SWEEPS_AT_MOST = 3


def show_life(
    scene: Scene, uploaded: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> None:
    """Sign URLs, let four recordings grow old, and sweep, first dry, then for real.

    Raises:
        DemoFailed: If anything is not as it should be.
    """
    old = choose(uploaded, outcomes)
    if len(old) < len(CASES):
        reason = "too few learners were analysed to show what becomes of their recordings"
        raise DemoFailed(reason, scene.log)
    spoken = [message_id for message_id in uploaded if uploaded[message_id].audio is not None]
    urls = _sign(scene, spoken, old)
    title = f"Four recordings are made {AGE.days} days older, one of them held"
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
    scene.console.print("[green]✓[/] Just what had to go is gone, and the ledger proves it.")


def _sign(scene: Scene, spoken: Collection[str], old: Collection[OldRecording]) -> dict[str, str]:
    """Give all recordings a URL, and try those of the four; return the URLs by message id."""
    _run(scene, REFRESH, {})
    urls = read_urls(scene.engine, spoken)
    if len(urls) < len(spoken):
        reason = f"{len(spoken) - len(urls)} of {len(spoken)} recordings got no URL"
        raise DemoFailed(reason, scene.log)
    answers = [fetch(urls[recording.message_id]) for recording in old]
    if set(answers) != {200}:
        reason = f"signed URLs answered {', '.join(map(str, answers))} instead of 200"
        raise DemoFailed(reason, scene.log)
    scene.console.print(f"Four of the URLs, fetched: {', '.join(map(str, answers))}.")
    return urls


def _sweep(scene: Scene, *, dry_run: bool) -> None:
    for _ in range(_SWEEPS_AT_MOST):
        if _run(scene, SWEEP, {"dry_run": dry_run}, ", dry" if dry_run else ""):
            return
        scene.console.print("Another sweep was at work, so this one ended at once. Again.")
    reason = "another sweep is at work; perhaps it waits for a person in the Prefect UI"
    raise DemoFailed(reason, scene.log)


def _run(scene: Scene, name: str, parameters: Mapping[str, object], how: str = "") -> bool:
    """Run a deployment and print the summary it leaves; return whether it left one."""
    with step(scene.console, f"The deployment {name} has run{how}"):
        run = run_deployment(scene.prefect_api_url, name, parameters, log=scene.log)
    reason = failure(run)
    if reason is not None:
        raise DemoFailed(reason, scene.log)
    summary = read_summary(scene.prefect_api_url, run, name)
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
    lying = [m for m, status in answers.items() if (status == 200) != after[m].is_stored]
    entries = audio_states.read_deletions(scene.engine, gone)
    with scene.engine.connect() as connection:
        verified = ledger.verify(connection)
    reason = None
    if changed:
        reason = (
            f"after the dry run {len(changed)} recordings were not as before; "
            "did a scheduled sweep come in between?"
        )
    elif wrong:
        reason = f"after the sweep {len(wrong)} recordings were not as they should be"
    elif lying:
        reason = f"{len(lying)} URLs do not answer as the bucket does"
    elif sorted(entries) != sorted((message_id, DeletionState.DELETED) for message_id in gone):
        reason = f"the deletion ledger has {len(entries)} entries about {len(gone)} deletions"
    elif verified.broken:
        reason = f"the deletion ledger is broken: {verified.broken.problem}"
    if reason is not None:
        raise DemoFailed(reason, scene.log)
    scene.console.print(
        f"The deletion ledger is whole up to its head, entry {verified.head.position} "
        f"(SHA-256 {verified.head.hash[:12]}…)."
    )
