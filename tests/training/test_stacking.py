from dataclasses import replace

import numpy as np
import pytest

from speech.scores.stacking import TERMS
from training.stacking import HeldOutPhones, fit_stacking, joined, validate_stacking


def rated(count, seed=0):
    """Phones rated like their word, except that phone 3 gets half a point less."""
    chance = np.random.default_rng(seed)
    terms = chance.uniform(0.5, 1.5, (count, len(TERMS)))
    phones = chance.integers(0, 39, count)
    ratings = terms[:, TERMS.index("word")] - 0.5 * (phones == 3)
    fold = np.arange(count) % 5
    return HeldOutPhones(terms, phones, ratings, fold.astype(str), fold)


def test_the_line_is_found_that_the_ratings_follow():
    line = fit_stacking(rated(20_000))
    slopes = dict(zip(TERMS, line.slopes.tolist(), strict=True))
    assert slopes["own"] == pytest.approx(-1, abs=0.05)
    assert slopes["word"] == pytest.approx(1, abs=0.05)
    assert slopes["mean"] == pytest.approx(0, abs=0.05)
    assert line.offsets[3] == pytest.approx(np.delete(line.offsets, 3).mean() - 0.5, abs=0.05)


def test_a_phone_that_was_hardly_ever_rated_is_left_as_it_is():
    few = rated(20_000)
    few = few.of((few.phones != 3) | (np.arange(20_000) < 40))
    assert abs(fit_stacking(few).offsets[3]) < 0.1


def test_validation_shows_the_effect_of_the_correction_on_each_folds_speakers(capsys):
    validate_stacking(rated(5_000))
    before, after = capsys.readouterr().out.splitlines()
    assert float(before.split()[2].rstrip(";")) < 0.1
    assert [float(figure) for figure in after.split("folds ")[1].split()] == pytest.approx(
        [1] * 5, abs=0.02
    )


def test_parts_are_laid_end_to_end():
    one = rated(10)
    both = joined([one, replace(one, fold=one.fold + 5)])
    assert len(both.terms) == len(both.ratings) == 20
    assert both.fold.max() == 9
