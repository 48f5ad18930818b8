"""The demo corrupts three rows, and notices a check that misses or does not release them."""

import io
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from rich.console import Console

from local.demo import quality
from local.demo.outcomes import read_outcomes
from local.demo.quality import show_quality
from local.demo.steps import DemoFailed, Scene
from schema.clock import utc_now
from schema.states import CheckScope
from tasks.quality.check_quality import CheckPlan, check_rows
from tasks.resources import storage

TIMINGS = '[{"word": "hello", "startMs": 0, "endMs": 400, "charStart": 0, "charEnd": 5}]'


def check():
    check_rows.fn(CheckPlan(utc_now(), CheckScope.CHANGED, None, None, 0))


@pytest.fixture
def scene(stage, engine, tmp_path):
    console = Console(file=io.StringIO(), width=80)
    return Scene("", engine, storage.bucket(), "the log", console, tmp_path)


@pytest.fixture
def outcomes(scene, add_message, run_sql):
    """Three recordings as an analysis and a refresh leave them."""
    address = storage.objects_address()
    for _ in range(3):
        message_id = add_message(
            audio_processing_state="analyzed",
            pronunciation_score=80,
            fluency_score=70,
            speech_rate_wpm=100,
            audio_retention_expires_at=datetime(2026, 10, 13, tzinfo=UTC),
        )
        url = f"{address}audio/user/conversation/{message_id}.wav"
        run_sql(
            "UPDATE messages SET audio_url = :url, audio_url_expires_at = '2026-01-02'"
            " WHERE id = :id",
            url=f"{url}?X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400",
            id=message_id,
        )
        run_sql(
            "INSERT INTO message_audio_analysis (message_id, overall_accuracy_score,"
            " overall_fluency_score, speech_rate_wpm, speech_timings)"
            " VALUES (:id, 80, 70, 100, CAST(:timings AS jsonb))",
            id=message_id,
            timings=TIMINGS,
        )
    with scene.engine.connect() as connection:
        ids = list(connection.execute(sa.text("SELECT id FROM messages")).scalars())
    return read_outcomes(scene.engine, ids)


@pytest.fixture
def show(scene, monkeypatch):
    def _show(outcomes, *checks):
        done = iter(checks)

        def run_check(_scene, *, must_fail):
            next(done)()
            return "a summary"

        monkeypatch.setattr(quality, "_check", run_check)
        show_quality(scene, outcomes)
        return scene.console.file.getvalue()

    return _show


def test_broken_rows_are_quarantined_and_released_once_repaired(show, outcomes):
    assert "released from quarantine after the repair" in show(outcomes, check, check)


def test_a_check_that_finds_nothing_is_noticed(show, outcomes):
    with pytest.raises(DemoFailed, match="0 cases are in quarantine where 5 should be"):
        show(outcomes, lambda: None)


def test_a_check_that_lets_nothing_go_is_noticed(show, outcomes):
    with pytest.raises(DemoFailed, match="5 cases are in quarantine where 0 should be"):
        show(outcomes, check, lambda: None)


def test_too_few_recordings_are_told(show, outcomes):
    outcomes.popitem()
    with pytest.raises(DemoFailed, match="too few"):
        show(outcomes)
