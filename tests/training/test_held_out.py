import numpy as np

from tests.training.samples import held_out
from training.held_out import speakers_held_out, without


def test_a_folds_own_speakers_and_their_words_are_left_out():
    sample = held_out(100)
    others = without(sample, 3)
    assert 3 not in others.fold
    assert len(others.fold) == len(others.variant) == len(others.evidence) == 80
    assert (others.words == sample.words[np.repeat(sample.fold != 3, 3)]).all()
    assert len(others.words) == len(others.ratings) == 240
    assert 3 not in others.phones.fold
    assert len(others.phones.terms) == 80


def test_a_models_file_names_the_speakers_it_never_saw(tmp_path):
    np.savez(tmp_path / "0.npz", held_out=np.array(["0003", "0007"]))
    assert speakers_held_out(tmp_path / "0.npz") == {"0003", "0007"}
