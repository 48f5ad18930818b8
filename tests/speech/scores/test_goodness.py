import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.front_end import cepstra, features
from speech.acoustics.model_files import acoustic_model
from speech.alignment.forced import AlignedPhone, aligned_pieces
from speech.scores.goodness import (
    NAMES,
    goodness,
    relative_likelihoods,
    segment_fits,
    segment_means,
)
from speech.text.lexicon import Pronunciation
from speech.text.phones import PHONES
from tests.speech.conftest import read_clip

SEGMENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(3, 9)), min_size=1, max_size=4)


def laid_out(gaps_and_lengths):
    """Draw consecutive segments, and their total number of frames."""
    segments, now = [], 0
    for gap, length in gaps_and_lengths:
        segments.append((now + gap, now + gap + length))
        now += gap + length
    return np.array(segments), now


def best_of_all(states):
    """Mean of the best way to cut frames, shape (n, 3), into three states, by trying all."""
    n = len(states)
    totals = [
        states[:a, 0].sum() + states[a:b, 1].sum() + states[b:, 2].sum()
        for a, b in itertools.combinations(range(1, n), 2)
    ]
    return max(totals) / n


@settings(deadline=None)
@given(SEGMENTS, st.integers(0, 99))
def test_a_phone_fits_as_well_as_its_best_path_from_left_to_right(gaps_and_lengths, seed):
    segments, frames = laid_out(gaps_and_lengths)
    states = np.random.default_rng(seed).normal(-5, 3, (frames, 4, 3)).astype("f4")
    expected = [
        [best_of_all(states[start:end, phone]) for phone in range(4)] for start, end in segments
    ]
    assert segment_fits(states, segments) == pytest.approx(np.array(expected), abs=1e-4)


@settings(deadline=None)
@given(SEGMENTS, st.integers(0, 99))
def test_means_are_those_of_each_segment(gaps_and_lengths, seed):
    segments, frames = laid_out(gaps_and_lengths)
    values = np.random.default_rng(seed).normal(size=(frames, 2)).astype("f4")
    expected = np.stack([values[start:end].mean(axis=0) for start, end in segments])
    assert segment_means(values, segments) == pytest.approx(expected, abs=1e-5)


def states_of(said, frames_a_state=3):
    """Return relative likelihoods of frames in which exactly these phones are said."""
    names = acoustic_model().phones
    columns = [3 * names.index(phone) + state for phone in said for state in range(3)]
    states = np.full((len(columns) * frames_a_state, 3 * len(names)), -8.0, np.float32)
    states[np.arange(len(states)), np.repeat(columns, frames_a_state)] = 0.0
    return states


def measured(expected, said):
    states = states_of(said)
    length = len(states) // len(expected)
    phones = [
        AlignedPhone(i * length, (i + 1) * length, phone, (i * length + 3, i * length + 6))
        for i, phone in enumerate(expected)
    ]
    own = states_of(expected)
    in_context = states[np.arange(len(states)), own.argmax(axis=1)]
    voice = np.zeros((len(states), 2), np.float32)
    values = goodness(phones, states, in_context, voice)
    return [dict(zip(NAMES, row.tolist(), strict=True)) for row in values]


def test_a_phone_that_is_said_is_the_best_of_all():
    for phone in measured(["B", "IY", "T"], ["B", "IY", "T"]):
        assert phone["own"] == 0
        assert phone["margin"] > 4
        assert phone["log_rank"] == 0
        assert phone["said"] > 1


def test_a_phone_said_instead_is_the_best_and_lowers_the_margin():
    phone = measured(["B", "IY", "T"], ["B", "IH", "T"])[1]
    assert phone["margin"] < -4
    assert phone["log_rank"] > 0
    assert phone["as_ih"] == 0
    assert phone["as_iy"] < -4


def test_a_phone_that_is_not_said_fits_no_better_than_its_neighbours():
    assert measured(["B", "IY", "T"], ["B", "B", "T"])[1]["said"] < 0


def fits_of(waveform):
    said = [Pronunciation((("DH", "AH"),), is_listed=True)]
    (piece,) = aligned_pieces(features(cepstra(waveform)), ["the"], said)
    return relative_likelihoods(piece.context_independent)


def test_measures_do_not_depend_on_loudness():
    waveform = read_clip("fox")[:5_000]
    loud, quiet = fits_of(waveform), fits_of(waveform * np.float32(0.05))
    assert loud.max() == 0
    assert np.median(np.abs(loud - quiet)) < 0.05


def test_every_measure_has_one_name():
    assert len(set(NAMES)) == len(NAMES) == 18 + len(PHONES) + 1
