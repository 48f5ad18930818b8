import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.scores.goodness import NAMES as GOODNESS_NAMES
from speech.scores.hearing import SILENCE, edits, heard_phones, log_steps, text_likelihood
from speech.scores.network import NetworkInput
from speech.scores.prosody import NAMES as PROSODY_NAMES

phones = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def steps(*heard, clear=0.9):
    """Log posteriors of steps in each of which one phone is heard."""
    posteriors = np.full((len(heard), SILENCE + 1), (1 - clear) / SILENCE)
    posteriors[np.arange(len(heard)), heard] = clear
    return np.log(posteriors)


def text(*words):
    expected = np.array([phone for word in words for phone in word])
    count = len(expected)
    return NetworkInput(
        np.zeros((count, 142), np.float32),
        np.column_stack([np.arange(count), np.arange(count) + 1]),
        expected,
        np.zeros(count, np.int64),
        np.repeat(np.arange(len(words)), [len(word) for word in words]),
        np.zeros((count, len(GOODNESS_NAMES)), np.float32),
        np.zeros(len(PROSODY_NAMES), np.float32),
    )


def test_a_phone_is_heard_once_and_only_if_it_lasts():
    assert heard_phones(steps(SILENCE, 3, 3, 3, 7, 3, 3, SILENCE, 5, 5)).tolist() == [3, 5]
    assert heard_phones(steps(SILENCE, SILENCE)).tolist() == []


def test_posteriors_are_read_a_step_at_a_time():
    frames = np.repeat(np.exp(steps(1, 2, 3)), 2, axis=0)
    assert log_steps(frames) == pytest.approx(steps(1, 2, 3))


def test_the_text_that_was_said_costs_nothing():
    said = steps(SILENCE, 1, 1, 2, SILENCE, 3, 4, SILENCE)
    assert text_likelihood(said, text([1, 2], [3, 4])) == pytest.approx(8 * np.log(0.9))


def test_silence_between_words_is_optional():
    said = steps(1, 2, 3, 4)
    assert text_likelihood(said, text([1, 2], [3, 4])) == pytest.approx(4 * np.log(0.9))


def test_another_text_costs_as_many_steps_as_differ():
    said = steps(SILENCE, 1, 1, 2, SILENCE, 3, 4, SILENCE)
    lost = np.log(0.9) - np.log(0.1 / SILENCE)
    right, wrong = (text_likelihood(said, text(*words)) for words in ([[1, 2], [3, 4]], [[5, 4]]))
    assert right - wrong >= 2 * lost


def test_edits_tell_what_was_replaced_added_and_left_out():
    found = edits([1, 9, 3, 4, 7], np.array([1, 2, 3, 4]))
    assert found.is_heard.tolist() == [True, False, True, True]
    assert found.replacements.tolist() == [[2, 9]]
    assert found.inserted == 1
    nothing = edits([], np.array([1, 2]))
    assert (nothing.is_heard.any(), len(nothing.replacements), nothing.inserted) == (False, 0, 0)


@given(heard=phones, expected=phones)
def test_edits_account_for_every_phone(heard, expected):
    found = edits(heard, np.array(expected))
    matched = found.is_heard.sum() + len(found.replacements)
    assert matched + found.inserted == len(heard)
    assert matched <= len(expected)


@given(heard=phones)
def test_nothing_is_edited_if_everything_is_heard(heard):
    found = edits(heard, np.array(heard))
    assert found.is_heard.all()
    assert found.inserted == len(found.replacements) == 0
