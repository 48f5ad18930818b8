from dataclasses import replace

import numpy as np
import pytest

from speech.scores.intervals import ends
from tests.training.samples import held_out
from training.intervals import COVERAGE, Scored, fit_curves, fit_intervals, validate_intervals
from training.stacking import fit_stacking


def rated(count, *, seed=0, spread=lambda scores: 5.0):
    """Scores of a hundred speakers in five folds; ratings in steps of five around them."""
    chance = np.random.default_rng(seed)
    scores = chance.uniform(30, 100, count)
    means = np.clip(5 * np.round((scores + spread(scores) * chance.normal(size=count)) / 5), 0, 100)
    speaker = np.arange(count) % 100
    return Scored(scores, means, speaker.astype(str), speaker % 5, np.zeros(count, int))


def share_inside(curves, known):
    low, high = ends(curves, known.scores).T
    return ((low <= known.means) & (known.means <= high)).mean()


def test_nine_of_ten_means_of_other_speakers_are_inside():
    curves = fit_curves(rated(3_000), 1)[0]
    assert share_inside(curves, rated(20_000, seed=1)) == pytest.approx(COVERAGE, abs=0.02)


def test_intervals_are_wider_where_ratings_are_less_sure():
    def spread(scores):
        return (100 - scores) / 5

    curves = fit_curves(rated(3_000, spread=spread), 1)[0]
    low, high = ends(curves, np.array([45.0, 90.0])).T
    assert high[0] - low[0] > 2 * (high[1] - low[1])
    other = rated(20_000, seed=1, spread=spread)
    for least, most in ((30, 50), (50, 70), (70, 90)):
        some = other.of((least <= other.scores) & (other.scores < most))
        assert share_inside(curves, some) == pytest.approx(COVERAGE, abs=0.04)


def test_each_length_has_a_width_of_its_own():
    sure, unsure = rated(1_500), rated(1_500, seed=1, spread=lambda scores: 15.0)
    both = Scored(
        *(np.concatenate(pair) for pair in zip(_fields(sure), _fields(unsure), strict=True)),
        np.repeat([1, 0], 1_500),
    )
    unsure_curves, sure_curves = fit_curves(both, 2)
    assert share_inside(sure_curves, rated(9_000, seed=2)) == pytest.approx(COVERAGE, abs=0.03)
    other = rated(9_000, seed=3, spread=lambda scores: 15.0)
    assert share_inside(unsure_curves, other) == pytest.approx(COVERAGE, abs=0.03)


def _fields(known):
    return known.scores, known.means, known.speakers, known.folds


def test_a_talkative_speaker_counts_no_more_than_others():
    known = rated(3_000)
    odd = known.speakers == "7"
    means = np.where(odd, 0.0, known.means)
    repeated = np.concatenate([np.arange(3_000), np.repeat(np.flatnonzero(odd), 50)])
    talkative = Scored(known.scores, means, known.speakers, known.folds, known.lengths).of(repeated)
    assert share_inside(fit_curves(talkative, 1)[0], rated(9_000, seed=1)) < COVERAGE + 0.04


def test_speakers_count_the_same_within_a_length_whatever_they_said_of_others():
    def half_unsure(seed):
        known = rated(3_000, seed=seed)
        is_unsure = known.speakers.astype(int) < 50
        spread = np.where(is_unsure, 15.0, 2.0) * np.random.default_rng(seed).normal(size=3_000)
        means = np.clip(known.scores + spread, 0, 100)
        return replace(known, means=means, lengths=np.ones(3_000, int)), is_unsure

    known, is_unsure = half_unsure(0)
    more = np.repeat(np.flatnonzero(is_unsure), 20)
    both = known.of(np.concatenate([np.arange(3_000), more]))
    both = replace(both, lengths=np.repeat([1, 0], [3_000, len(more)]))
    curves = fit_curves(both, 2)[1]
    assert share_inside(curves, half_unsure(1)[0]) == pytest.approx(COVERAGE, abs=0.03)


def test_what_a_length_has_no_examples_of_gets_the_widest():
    none, all_of_them = fit_curves(rated(500).of(np.arange(500)), 2)[::-1]
    assert (none[1] <= all_of_them[1]).all()
    assert (none[2] >= all_of_them[2]).all()


def test_every_level_is_fitted_and_validated_on_each_folds_speakers(capsys):
    sample = held_out(1_000)
    intervals = fit_intervals(sample, fit_stacking(sample.phones))
    assert intervals.utterances.shape[:3] == (4, 3, 3)
    low, high = intervals.of_words(np.array([50.0]))[0]
    assert 20 < low < 45
    assert 55 < high < 80
    validate_intervals(sample)
    shown = {line[:20].strip(): line[20:].split() for line in capsys.readouterr().out.splitlines()}
    assert {"accuracy", "total", "word", "phone", "word, corrupted"} < set(shown)
    for name in ("accuracy", "word", "total, corrupted"):
        assert float(shown[name][0]) == pytest.approx(COVERAGE, abs=0.04)
