"""What became of the old recordings can be read on 80 columns."""

import io

import pytest
from rich.console import Console

from local.demo.audio_states import GONE, AudioState
from local.demo.life_report import print_ages
from local.demo.old_recordings import OldRecording
from schema.states import UserTier

THERE = AudioState(is_live=True, has_url=True, is_stored=True, has_scores=True)
TORN = AudioState(is_live=False, has_url=False, is_stored=True, has_scores=True)
MAYA = OldRecording("m", "Maya [free]", UserTier.FREE, is_held=False, goes=True)
OLIVER = OldRecording("o", "Oliver", UserTier.FREE, is_held=True, goes=False)


@pytest.fixture
def row_of():
    """Print two recordings; return the row of one learner."""
    console = Console(file=io.StringIO(), width=80)

    def _row_of(learner, maya, oliver):
        before = {"m": THERE, "o": THERE}
        after, answers = {"m": maya, "o": oliver}, {"m": 404, "o": 200}
        print_ages(console, [MAYA, OLIVER], before, after, answers)
        (row,) = (line for line in console.file.getvalue().splitlines() if learner in line)
        return row.split()

    return _row_of


def test_a_recording_that_had_to_go_is_shown_as_gone(row_of):
    row = ["Maya", "[free]", "free", "30", "+", "7", "days", "there", "deleted", "404", "✓"]
    assert row_of("Maya", GONE, THERE) == row


def test_a_held_recording_is_shown_as_held_and_there(row_of):
    row = ["Oliver", "free", "30", "+", "7", "days,", "on", "hold", "there", "there", "200", "✓"]
    assert row_of("Oliver", GONE, THERE) == row


def test_what_stayed_although_it_had_to_go_is_marked(row_of):
    assert row_of("Maya", THERE, THERE)[-1] == "✗"


def test_a_row_that_contradicts_the_bucket_is_torn(row_of):
    row = row_of("Oliver", GONE, TORN)
    assert "torn" in row
