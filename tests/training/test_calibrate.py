import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.scores.scoring import WELL_SAID
from tests.training.samples import held_out
from training.calibrate import CONFIDENCE_STEPS, fit_confidence


@given(seed=st.integers(0, 1_000), count=st.integers(CONFIDENCE_STEPS, 300))
def test_confidence_rises_with_the_score_and_stays_a_share(seed, count):
    scores, shares = fit_confidence(held_out(count, seed=seed))
    assert (np.diff(scores) >= 0).all()
    assert (np.diff(shares) > 0).all()
    assert 0 <= shares[0] <= shares[-1] <= 1


def test_confidence_is_the_share_of_well_said_words():
    sample = held_out(20_000)
    confidence = np.interp(sample.words, *fit_confidence(sample))
    for low in np.arange(0, 1, 0.2):
        some = (confidence >= low) & (confidence < low + 0.2)
        assert confidence[some].mean() == pytest.approx(
            (sample.ratings[some] >= WELL_SAID).mean(), abs=0.03
        )
