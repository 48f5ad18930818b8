"""The demo's result can be read on 80 columns."""

import io

import pytest
from rich.console import Console

from local.demo.outcomes import Outcome
from local.demo.recordings import ANALYZED, G711_ULAW, Experts, Learner, Recording
from local.demo.report import print_report
from schema.states import ProcessingState

GOOD = Outcome(ProcessingState.ANALYZED, None, 81, 72, 123)
SILENT = Outcome(ProcessingState.FAILED, "No speech was found.", None, None, None)
SENTENCE = "I would like a cup of [very hot] coffee and a piece of cake, please."


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def recording(experts=None):
    return Recording(
        learner=Learner("Speaker 1", None),
        text=SENTENCE,
        audio=b"",
        encoding=G711_ULAW,
        duration_seconds=1.0,
        expected=ANALYZED,
        experts=experts,
    )


@pytest.mark.parametrize("experts", [None, Experts(8.1, 7.2)])
def test_on_80_columns_only_the_sentence_is_shortened(console, experts):
    print_report(console, {"m": recording(experts)}, {"m": GOOD}, {})
    (row,) = (line for line in console.file.getvalue().splitlines() if "Speaker" in line)
    for cell in ("Speaker 1", "81", "72", "123", "analyzed", "✓", "I would"):
        assert cell in row
    assert ("g711_ulaw" in row) == (experts is None)
    if experts:
        assert "8.1" in row
        assert "7.2" in row


def test_failures_and_surprises_are_explained(console):
    recordings = {"good": recording(), "silent": recording(), "gone": recording()}
    surprises = {"silent": "should be analyzed", "gone": "has vanished"}
    print_report(console, recordings, {"good": GOOD, "silent": SILENT}, surprises)
    text = console.file.getvalue()
    assert SENTENCE in text
    assert "No speech was found." in text
    assert "✗ should be analyzed" in text
    assert "✗ has vanished" in text
    assert text.endswith("1 analyzed, 1 failed\n")


def test_of_many_recordings_a_sample_and_every_failure_is_shown(console):
    outcomes = {str(number): GOOD for number in range(500)} | {"500": SILENT}
    recordings = {key: recording(Experts(5.0 + int(key) % 5, 5.0)) for key in outcomes}
    print_report(console, recordings, outcomes, {})
    text = console.file.getvalue()
    assert 30 <= text.count("Speaker 1") <= 40
    assert text.count("No speech was found.") == 1
    assert "500 recordings" in text
