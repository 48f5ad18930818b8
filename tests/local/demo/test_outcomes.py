"""The demo notices what did not go as it should."""

from dataclasses import replace

import pytest

from local.demo.outcomes import (
    Outcome,
    complaint,
    count_states,
    read_outcomes,
    surprise,
    surprises,
)
from local.demo.recordings import (
    ANALYZED,
    FLAC,
    UNTOUCHED,
    Expected,
    Experts,
    Learner,
    Recording,
)
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
        (ANALYZED, replace(GOOD, fluency=None), "fluency"),
        (ANALYZED, replace(GOOD, accuracy=None), "accuracy"),
    ],
)
def test_anything_else_is_named(expected, outcome, reason):
    assert reason in surprise(recording(expected), outcome)


def test_other_languages_than_english_have_no_accuracy():
    japanese = replace(recording(ANALYZED), language="ja")
    assert surprise(japanese, replace(GOOD, accuracy=None)) is None
    assert "accuracy" in surprise(japanese, GOOD)


def test_a_message_that_vanished_is_a_surprise():
    recordings = {"here": recording(ANALYZED), "gone": recording(ANALYZED)}
    assert list(surprises(recordings, {"here": GOOD})) == ["gone"]


def test_one_surprise_is_enough_to_complain():
    recordings = {"one": recording(ANALYZED), "other": recording(FAILED)}
    outcomes = {"one": GOOD, "other": SILENT}
    assert complaint(recordings, outcomes, {}) is None
    assert "1 of 2" in complaint(recordings, outcomes, {"one": "should be silent"})


@pytest.mark.parametrize(("silent", "is_fine"), [(0, True), (5, True), (6, False), (100, False)])
def test_nearly_all_real_learners_must_be_analysed(silent, is_fine):
    outcomes = {str(number): SILENT if number < silent else GOOD for number in range(100)}
    real = replace(recording(None), experts=Experts(8.0, 8.0))
    recordings = dict.fromkeys(outcomes, real)
    assert (complaint(recordings, outcomes, {}) is None) == is_fine


def test_the_states_are_read_from_the_apps_table(engine, add_message):
    waiting, failed = (
        add_message(),
        add_message(audio_processing_state="failed", audio_processing_error="No speech."),
    )
    done = add_message(
        audio_processing_state="analyzed",
        pronunciation_score=80,
        fluency_score=70,
        speech_rate_wpm=120,
    )
    add_message()  # somebody else's
    outcomes = read_outcomes(engine, [waiting, failed, done])
    assert outcomes.keys() == {waiting, failed, done}
    assert outcomes[done] == GOOD
    assert outcomes[failed].error == "No speech."
    assert count_states(outcomes) == {
        ProcessingState.UPLOADED: 1,
        ProcessingState.FAILED: 1,
        ProcessingState.ANALYZED: 1,
    }
