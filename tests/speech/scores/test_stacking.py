from dataclasses import replace

import numpy as np
import pytest

from speech.scores.model import scoring_model
from speech.scores.stacking import TERMS, PhoneStacking, stacking_terms


@pytest.fixture
def said():
    """Two words, of two phones and one: the network's input and its scores."""
    network = scoring_model("kaiwa").network
    smallest = network.smallest_input()
    given = replace(
        smallest,
        frames=np.repeat(smallest.frames, 9, axis=0),
        embeddings=np.repeat(smallest.embeddings, 5, axis=0),
        segments=np.array([[0, 3], [3, 6], [6, 9]]),
        phones=np.array([0, 38, 7]),
        positions=np.array([1, 3, 0]),
        words=np.array([0, 0, 1]),
        goodness=np.repeat(smallest.goodness, 3, axis=0),
    )
    scores = {"phones": np.array([0.5, 1.5, 1.0]), "words": np.array([4.0, 9.0])}
    return given, replace(network.forward(given), **scores)


def test_a_phone_is_seen_beside_its_word_and_the_whole(said):
    terms = dict(zip(TERMS, stacking_terms(*said).T, strict=True))
    assert terms["own"] == pytest.approx([0.5, 1.5, 1.0])
    assert terms["word"] == pytest.approx([0.8, 0.8, 1.8])
    assert terms["mean"] == pytest.approx([1.0, 1.0, 1.0])


def test_the_correction_depends_on_the_phone_and_stays_on_the_scale(said):
    given, output = said
    slopes, offsets = np.zeros(len(TERMS)), np.zeros(39)
    slopes[TERMS.index("word")] = 0.5
    offsets[[0, 38]] = -0.1, 9.0
    changed = PhoneStacking(slopes, offsets).corrected(given, output)
    assert changed.phones == pytest.approx([0.5 + 0.4 - 0.1, 2.0, 1.0 + 0.9])
    assert changed.words is output.words
    assert output.phones == pytest.approx([0.5, 1.5, 1.0])


def test_the_shipped_line_draws_a_phone_towards_those_around_it():
    slopes = dict(zip(TERMS, scoring_model("kaiwa").stacking.slopes.tolist(), strict=True))
    assert slopes["own"] < 0
    assert slopes["word"] > 0
