import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speech.scores.intervals import Intervals

CURVE = np.array([[40.0, 80.0], [10.0, 60.0], [70.0, 90.0]])
scores = arrays(float, 4, elements=st.floats(0, 100))


def intervals(shift=0.0):
    """Intervals that are `shift` wider on both sides for each step of length."""
    by_length = [CURVE + np.array([[0], [-shift], [shift]]) * length for length in (2, 1, 0)]
    return Intervals(np.stack([by_length] * 4), CURVE, CURVE)


def test_ends_are_interpolated_between_predicted_scores():
    found = intervals().of_words(np.array([40.0, 60.0, 80.0]))
    assert found.tolist() == [[10, 70], [35, 80], [60, 90]]


def test_short_recordings_have_intervals_of_their_own():
    shown = {
        words: intervals(5.0).of_utterance(np.full(4, 60.0), words)[0].tolist()
        for words in (1, 3, 4, 5, 6, 500)
    }
    assert shown[1] == shown[3] == [25, 90]
    assert shown[4] == shown[5] == [30, 85]
    assert shown[6] == shown[500] == [35, 80]


@given(scores, st.integers(1, 30))
def test_an_interval_contains_its_score_and_stays_on_the_scale(scores, words):
    for found in (intervals(30.0).of_utterance(scores, words), intervals().of_phones(scores)):
        low, high = found.T
        assert (low >= 0).all()
        assert (low <= scores).all()
        assert (scores <= high).all()
        assert (high <= 100).all()


def test_they_are_saved_with_the_model():
    again = Intervals.from_arrays(intervals(5.0).arrays())
    assert (again.utterances == intervals(5.0).utterances).all()


@pytest.mark.parametrize("wrong", [CURVE[:2], np.full((3, 2), np.nan)])
def test_damaged_curves_are_refused(wrong):
    with pytest.raises(ValueError, match="intervals"):
        Intervals(intervals().utterances, wrong, CURVE)
