import os
from pathlib import Path

import numpy as np
import pytest

from speech.scores.network import NetworkInput
from speech.text.phones import PHONES
from training.annotations import (
    ACCENTED,
    RIGHT,
    WRONG,
    carried_over_shares,
    read_realised,
    realised,
)
from training.corpus import read_corpus


def marks(phones, heard):
    """Return what one expert marked on each phone."""
    word = realised(phones.split(), [heard])
    return [int(share.argmax()) for share in word.shares]


def test_brackets_mark_the_phones_between_them():
    assert marks("W IY", "W IY0") == [RIGHT, RIGHT]
    assert marks("K AO L", "K {AO0} L") == [RIGHT, ACCENTED, RIGHT]
    assert marks("B EH R", "(B EH0) R") == [WRONG, WRONG, RIGHT]
    assert marks("S IH T", "{S} (IH0 T)") == [ACCENTED, WRONG, WRONG]


@pytest.mark.parametrize(
    ("phones", "heard"),
    [
        ("DH EH R", "DH (AR0)"),
        ("HH IH AH", "HH (IR0)"),
        ("Y UH AH", "Y (UR0)"),
        ("DH AE T S", "DH AE0 (TS)"),
        ("S T R AH NG", "S (TR) OO0 NG"),
        ("W ER K", "W (EE0) K"),
        ("AH DH ER", "AH1 DH (AXR0)"),
    ],
)
def test_a_symbol_outside_arpabet_marks_each_phone_it_stands_for(phones, heard):
    found = marks(phones, heard)
    assert set(found) == {RIGHT, WRONG}
    outside = heard.split("(")[1].split(")")[0].rstrip("0")
    assert found.count(WRONG) == (1 if outside in ("EE", "AXR") else 2)


def test_the_experts_marks_become_shares():
    word = realised(("K", "AO", "L"), ["K AO0 L", "K {AO0} L", "K (AO0) L", "K (AO0) L"])
    np.testing.assert_allclose(word.shares, [[1, 0, 0], [0.25, 0.25, 0.5], [1, 0, 0]])


def test_a_phone_that_was_inserted_is_no_expected_one():
    word = realised(("B", "EH", "R"), ["B AR0", "B EH0 [ L ] R", "[ AX0 ] B EH0 [ L ] (R)"])
    np.testing.assert_allclose(word.shares, [[1, 0, 0], [1, 0, 0], [2 / 3, 0, 1 / 3]])


def test_a_bracket_that_nothing_opened_changes_nothing():
    word = realised(("AA",), ["AA0 [ R ]}"])
    assert word.shares.argmax() == RIGHT


def test_a_phone_that_no_expert_spelled_has_no_share():
    word = realised(("S", "IY", "M", "Z"), ["S IY0 M", "S IY0 M [ S ]"])
    assert np.isnan(word.shares[3]).all()
    assert not np.isnan(word.shares[:3]).any()


def test_shares_go_to_the_same_phones_of_the_pronunciation_that_was_aligned():
    words = [
        realised(("F", "AO"), ["F (AO0)"]),
        realised(("AE", "N", "D"), ["AE0 N {D}"]),
    ]
    nothing = np.empty(0, np.float32)
    phones = np.array([PHONES.index(phone) for phone in ["F", "AO", "R", "AH", "N"]])
    given = NetworkInput(
        nothing, nothing, np.empty((0, 2), int), phones, np.empty(0, int),
        np.array([0, 0, 0, 1, 1]), nothing, nothing,
    )  # fmt: skip
    found = carried_over_shares(words, given)
    assert found[[0, 1, 3, 4]].argmax(axis=1).tolist() == [RIGHT, WRONG, RIGHT, RIGHT]
    assert np.isnan(found[2]).all()


@pytest.fixture(scope="module")
def corpus():
    if "CORPUS" not in os.environ:
        pytest.skip("needs the folder of speechocean762 in CORPUS")
    folder = Path(os.environ["CORPUS"])
    return read_corpus(folder), read_realised(folder)


def test_the_marks_of_the_corpus_give_its_phone_accuracy(corpus):
    utterances, words_of = corpus
    rated, marked = [], []
    for utterance in utterances:
        for word, heard in zip(utterance.words, words_of[utterance.name], strict=True):
            rated += word.phone_accuracy
            marked += (heard.shares @ np.float32([2, 1, 0])).tolist()
    unspelled = np.isnan(marked)
    assert unspelled.sum() == 18
    np.testing.assert_allclose(np.array(marked)[~unspelled], np.array(rated)[~unspelled], atol=0.05)


def test_experts_of_the_corpus_agree_on_few_faults(corpus):
    _, words_of = corpus
    words = [word for words in words_of.values() for word in words]
    shares = np.concatenate([word.shares for word in words])
    assert (shares[:, WRONG] > 0.5).sum() == 2_490
    assert (shares[:, ACCENTED] > 0.5).sum() == 55
