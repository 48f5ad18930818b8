"""The demo does what it says, on real servers, and notices when something does not."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from local.demo import run
from local.demo.learners import record_all
from local.demo.recordings import ANALYZED
from local.demo.run import run_demo
from local.demo.steps import DemoFailed
from local.process import marked
from local.stack import Stack

pytestmark = [pytest.mark.flow, pytest.mark.slow]


@pytest.fixture
def printed():
    return Console(file=io.StringIO(), width=160)


def mislabelled():
    """The demo's recordings that cannot be analysed, expected to be."""
    broken = (one for one in record_all() if one.audio and one.expected != ANALYZED)
    return (replace(one, expected=ANALYZED) for one in broken)


def test_every_recording_ends_as_it_should_and_everything_is_stopped(tmp_path, printed):
    run_demo(tmp_path, None, printed)
    text = printed.file.getvalue()
    assert "Every recording has its expected outcome" in text
    assert "24 analyzed" in text
    assert "4 failed" in text
    assert "2 of 28 objects are due" in text
    assert "Head of the deletion ledger: 2:" in text
    assert "Only expired recordings were deleted" in text
    assert "All analyses have new scores" in text
    assert "X-Amz" not in text
    assert not any(Stack(tmp_path).status().values())
    assert marked(tmp_path) == []


def test_a_recording_that_ends_otherwise_fails_the_demo_and_everything_is_stopped(
    tmp_path, printed, monkeypatch
):
    monkeypatch.setattr(run, "record_all", mislabelled)
    with pytest.raises(DemoFailed, match="4 of 4"):
        run_demo(tmp_path, None, printed)
    assert printed.file.getvalue().count("should be analyzed") == 4
    assert not any(Stack(tmp_path).status().values())
    assert marked(tmp_path) == []
