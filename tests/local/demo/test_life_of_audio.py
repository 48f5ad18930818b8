"""The demo notices whatever is not as it should be in the life of audio."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from local.demo import life_of_audio
from local.demo.learners import PARTS
from local.demo.life_of_audio import REFRESH, SWEEP, show_life
from local.demo.outcomes import read_outcomes
from local.demo.recordings import ANALYZED, FLAC, Recording
from local.demo.steps import DemoFailed, Scene
from local.demo.upload import upload
from policy.configuration import AudioPolicy
from policy.sweep import SweepRules
from schema.clock import utc_now
from schema.facts.deletion import LedgerBreak, LedgerHead, LedgerVerification
from stores.deletion import ledger, retention
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, refresh_span
from tasks.resources import storage
from tasks.sweep.planning import plan_sweep
from tasks.sweep.sweep_retention import SweepCursor, sweep_chunk

GRACE = timedelta(days=7)


def refresh():
    rules = RefreshRules(
        as_of=utc_now(),
        policy=AudioPolicy(),
        page_size=100,
        only_active_days=None,
        dry_run=False,
    )
    for number, span in enumerate(plan_refresh.fn(rules).spans):
        refresh_span.fn(span, rules, number=number, limit=None)


def sweep(grace=GRACE):
    rules = SweepRules(utc_now(), grace, soft_delete=True)
    cursor = SweepCursor(allowance=plan_sweep.fn(rules).objects)
    sweep_chunk.fn(cursor, rules, page_size=100, pages=100)


def do_nothing():
    """Stand in for a deployment that ends green and has done nothing."""


@pytest.fixture
def scene(stage, engine, tmp_path):
    console = Console(file=io.StringIO(), width=80)
    return Scene("", engine, storage.bucket(), "the log", console, tmp_path)


@pytest.fixture
def uploaded(scene, run_sql):
    """A recording of each of the demo's learners, analysed."""
    recordings = [
        Recording(
            learner=part.learner,
            text="Hello.",
            audio=b"fLaC",
            encoding=FLAC,
            duration_seconds=1.0,
            expected=ANALYZED,
        )
        for part in PARTS
    ]
    uploaded = upload(scene.engine, scene.bucket, recordings, as_of=utc_now())
    run_sql("UPDATE messages SET audio_processing_state = 'analyzed', pronunciation_score = 80")
    return uploaded


@pytest.fixture
def play(scene, uploaded, monkeypatch):
    """Show the life of audio; what the deployments do is done here, at once."""

    def _play(refresh=refresh, dry=do_nothing, sweep=sweep, sole=True):
        done = {(REFRESH, None): refresh, (SWEEP, True): dry, (SWEEP, False): sweep}

        def run(_scene, name, parameters, _how=""):
            done[name, parameters.get("dry_run")]()
            return sole

        monkeypatch.setattr(life_of_audio, "_run", run)
        show_life(scene, uploaded, read_outcomes(scene.engine, uploaded))
        return scene.console.file.getvalue()

    return _play


def test_all_goes_as_it_should(play):
    text = play()
    assert "URLs: 200, 200, 200, 200" in text
    assert "intact up to entry 2" in text
    assert "Only expired recordings were deleted" in text
    assert text.count("✓") == 4 + 2
    assert "X-Amz" not in text


def test_a_refresh_that_signs_nothing_is_noticed(play):
    with pytest.raises(DemoFailed, match="13 of 13 recordings got no URL"):
        play(refresh=do_nothing)


def test_urls_that_do_not_work_are_noticed_and_not_told(play, run_sql):
    def spoil():
        refresh()
        run_sql("UPDATE messages SET audio_url = replace(audio_url, 'Signature=', 'Signature=0')")

    with pytest.raises(DemoFailed, match=r"URLs answered 4\d\d, ") as failed:
        play(refresh=spoil)
    assert "X-Amz" not in str(failed.value)


def test_a_sweep_that_deletes_nothing_is_noticed(play):
    with pytest.raises(DemoFailed, match="after the sweep 2 recordings were wrong"):
        play(sweep=do_nothing)


def test_a_dry_run_that_deletes_is_noticed(play):
    with pytest.raises(DemoFailed, match="after the dry run 2 recordings were not"):
        play(dry=sweep)


def test_a_sweep_that_deletes_too_much_is_noticed(play, run_sql):
    def sweep_without_holds():
        run_sql("UPDATE audio_ops.legal_hold SET released_at = now(), released_by = 'nobody'")
        sweep()

    with pytest.raises(DemoFailed, match="after the sweep 1 recording was wrong"):
        play(sweep=sweep_without_holds)


def test_a_sweep_that_only_says_so_is_noticed(play, scene, uploaded):
    def mark():
        due = [m for m, r in uploaded.items() if r.learner.name in {"Guest", "Maya"}]
        with scene.engine.begin() as connection:
            retention.mark_deleted(connection, due, soft=True)

    with pytest.raises(DemoFailed, match="after the sweep 2 recordings were wrong"):
        play(sweep=mark)


def test_a_url_that_still_works_after_the_deletion_is_noticed(play, monkeypatch):
    monkeypatch.setattr(life_of_audio, "fetch", lambda _url: 200)
    with pytest.raises(DemoFailed, match="2 URLs do not answer as the bucket does"):
        play()


def test_a_deletion_without_its_entry_in_the_ledger_is_noticed(play, monkeypatch):
    monkeypatch.setattr(ledger, "intend", lambda *_: None)
    with pytest.raises(DemoFailed, match="0 entries about 2 deletions"):
        play()


def test_a_broken_ledger_is_noticed(play, monkeypatch):
    broken = LedgerVerification(LedgerHead(0, ""), LedgerBreak(1, 1, "it was changed"))
    monkeypatch.setattr(ledger, "verify", lambda _: broken)
    with pytest.raises(DemoFailed, match="it was changed"):
        play()


def test_a_sweep_beside_another_one_is_tried_again_and_given_up(play, scene):
    with pytest.raises(DemoFailed, match="another sweep is at work"):
        play(sole=False)
    assert scene.console.file.getvalue().count("Another sweep was at work") == 3


def test_without_analysed_recordings_there_is_nothing_to_show(play, run_sql):
    run_sql("UPDATE messages SET audio_processing_state = 'failed'")
    with pytest.raises(DemoFailed, match="too few learners"):
        play()
