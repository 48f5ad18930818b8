"""The demo backfills its analyses, and notices what is left out."""

import io

import pytest
import sqlalchemy as sa
from rich.console import Console

from local.demo import backfill
from local.demo.backfill import show_backfill
from local.demo.outcomes import Outcome
from local.demo.steps import DemoFailed, Scene
from schema.states import ProcessingState
from tasks.resources import storage


@pytest.fixture
def scene(stage, engine, tmp_path):
    console = Console(file=io.StringIO(), width=80)
    return Scene("", engine, storage.bucket(), "the log", console, tmp_path)


@pytest.fixture
def show(scene, add_scored, engine, monkeypatch):
    """Show a backfill of two recordings; what the deployment does is done here, at once."""
    ids = [add_scored(accuracy=60, analysis_version="2.0") for _ in range(2)]
    asked = []

    def _show(done=2):
        def run(_scene, parameters, _done):
            asked.append(parameters)
            if not parameters.get("dry_run", True):
                with engine.begin() as connection:
                    connection.execute(
                        sa.text(
                            "UPDATE message_audio_analysis SET analysis_version = '2.0'"
                            " WHERE message_id = ANY(:ids)"
                        ),
                        {"ids": ids[:done]},
                    )

        monkeypatch.setattr(backfill, "_run", run)
        show_backfill(
            scene, {id_: Outcome(ProcessingState.ANALYZED, None, 60, 70, 100) for id_ in ids}
        )
        return asked

    return _show


def test_a_dry_run_comes_before_the_real_one(show, scene, engine):
    dry, real = show()
    assert real == dry | {"dry_run": False}
    assert len(dry["conversation_ids"]) == 1
    assert "All analyses have new scores" in scene.console.file.getvalue()
    with engine.connect() as connection:
        scores = connection.execute(sa.text("SELECT pronunciation_score FROM messages")).scalars()
        assert set(scores) == {58}


def test_a_recording_that_is_left_out_is_noticed(show):
    with pytest.raises(DemoFailed, match="left 1 of 2 recordings out"):
        show(done=1)
