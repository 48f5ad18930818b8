from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.scores.gate import CERTAIN, NAMES, POSSIBLE
from speech.scores.scoring import WELL_SAID
from training.calibrate import CONFIDENCE_STEPS, fit_confidence
from training.gate import PACE, REFUSED, WARNED, fit_gate, refused
from training.heard import Heard, speakers_held_out, without
from training.mismatches import KINDS
from training.stacking import HeardPhones


def heard(count, *, shift=0.0, seed=0):
    """Examples, each of three words, dealt to five folds, clean and through one channel."""
    chance = np.random.default_rng(seed)
    ratings = chance.uniform(0, 10, 3 * count)
    words = np.clip(ratings + chance.normal(0, 1, 3 * count), 0, 10)
    fold = np.arange(count) % 5
    return Heard(
        fold=fold,
        variant=np.arange(count) // 5 % 2,
        evidence=chance.normal(shift, 1, (count, len(NAMES))).astype(np.float32),
        words=words.astype(np.float32),
        ratings=ratings.astype(np.float32),
        word_fold=np.repeat(fold, 3),
        phones=HeardPhones(np.ones((count, 5)), np.zeros(count, int), np.ones(count), fold),
    )


def test_the_gate_refuses_as_many_right_texts_as_it_may_and_finds_the_wrong_ones():
    right, wrong = heard(4_000), heard(1_600, shift=0.5, seed=1)
    wrong = replace(wrong, variant=np.arange(1_600) % len(KINDS))
    gate = fit_gate(right, wrong)
    found = gate.mismatch(right.evidence)[right.variant == 0]
    assert 0.004 <= (found > CERTAIN).mean() <= REFUSED
    assert 0.02 <= (found > POSSIBLE).mean() <= WARNED
    for kind in range(len(KINDS)):
        assert refused(gate, wrong)[wrong.variant == kind].mean() > 0.5


def test_what_may_be_only_the_pace_of_these_learners_does_not_count_for_parts_of_texts():
    gate = fit_gate(heard(1_000), replace(heard(800, shift=0.5), variant=np.arange(800) % 8))
    pace = np.tile(np.isin(NAMES, PACE), 2)
    assert gate.weights[pace, 0].all()
    assert not gate.weights[pace, 1:].any()


@given(seed=st.integers(0, 1_000), count=st.integers(CONFIDENCE_STEPS, 300))
def test_confidence_rises_with_the_score_and_stays_a_share(seed, count):
    scores, shares = fit_confidence(heard(count, seed=seed))
    assert (np.diff(scores) >= 0).all()
    assert (np.diff(shares) > 0).all()
    assert 0 <= shares[0] <= shares[-1] <= 1


def test_confidence_is_the_share_of_well_said_words():
    sample = heard(20_000)
    confidence = np.interp(sample.words, *fit_confidence(sample))
    for low in np.arange(0, 1, 0.2):
        some = (confidence >= low) & (confidence < low + 0.2)
        assert confidence[some].mean() == pytest.approx(
            (sample.ratings[some] >= WELL_SAID).mean(), abs=0.03
        )


def test_a_folds_own_speakers_and_their_words_are_left_out():
    sample = heard(100)
    others = without(sample, 3)
    assert 3 not in others.fold
    assert len(others.fold) == len(others.variant) == len(others.evidence) == 80
    assert (others.words == sample.words[np.repeat(sample.fold != 3, 3)]).all()
    assert len(others.words) == len(others.ratings) == 240
    assert 3 not in others.phones.fold
    assert len(others.phones.terms) == 80


def test_a_models_file_tells_whom_it_never_heard(tmp_path):
    np.savez(tmp_path / "0.npz", held_out=np.array(["0003", "0007"]))
    assert speakers_held_out(tmp_path / "0.npz") == {"0003", "0007"}
