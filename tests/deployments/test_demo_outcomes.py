"""The demo notices what did not go as it should."""

from dataclasses import replace

import pytest

from deployments.demo.outcomes import Outcome, enough_analyzed, surprise, surprises
from deployments.demo.recordings import ANALYZED, FLAC, UNTOUCHED, Expected, Learner, Recording
from schema.states import ProcessingState

FAILED = Expected(ProcessingState.FAILED, "No speech")
GOOD = Outcome(ProcessingState.ANALYZED, None, 80, 70, 120)
SILENT = Outcome(ProcessingState.FAILED, "No speech was found. Record again.", None, None, None)
PENDING = Outcome(ProcessingState.PENDING, None, None, None, None)


def recording(expected):
    return Recording(
        learner=Learner("Maya", None),
        text="Hello.",
        audio=b"",
        encoding=FLAC,
        duration_seconds=1.0,
        expected=expected,
    )


@pytest.mark.parametrize(
    ("expected", "outcome"),
    [(ANALYZED, GOOD), (FAILED, SILENT), (UNTOUCHED, PENDING), (None, GOOD), (None, SILENT)],
)
def test_what_was_expected_is_no_surprise(expected, outcome):
    assert surprise(recording(expected), outcome) is None


@pytest.mark.parametrize(
    ("expected", "outcome", "reason"),
    [
        (ANALYZED, SILENT, "analyzed"),
        (FAILED, GOOD, "failed"),
        (UNTOUCHED, GOOD, "pending"),
        (FAILED, replace(SILENT, error="The bucket broke."), "No speech"),
        (None, PENDING, "analyzed or failed"),
        (None, replace(SILENT, error=None), "why"),
        (ANALYZED, replace(GOOD, fluency=None), "scores"),
    ],
)
def test_anything_else_is_named(expected, outcome, reason):
    assert reason in surprise(recording(expected), outcome)


def test_a_message_that_vanished_is_a_surprise():
    recordings = {"here": recording(ANALYZED), "gone": recording(ANALYZED)}
    assert list(surprises(recordings, {"here": GOOD})) == ["gone"]


def test_nearly_all_real_learners_must_be_analysed():
    outcomes = {str(number): GOOD for number in range(95)}
    silent = {str(number): SILENT for number in range(95, 101)}
    assert enough_analyzed(outcomes | dict(list(silent.items())[:5]))
    assert not enough_analyzed(outcomes | silent)
