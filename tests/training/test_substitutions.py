from itertools import pairwise

import numpy as np

from speech.text.phones import ALIKE, PHONES
from training.substitutions import altered

RIGHT = np.array([2, 1, 0, 0], np.float32)
DOUBTED = np.array([1.6, 0.8, 0, 0.2], np.float32)
WRONG = np.array([0, 0, 0, 1], np.float32)


def expected(ratings, seed=0):
    phones = np.array([PHONES.index(phone) for phone in ["TH", "IH", "N", "K"] * 50])
    words = np.arange(len(phones)) // 4
    found = altered(phones, words, np.tile(ratings, (len(phones), 1)), np.random.default_rng(seed))
    return phones, words, found


def test_phones_that_no_expert_doubted_are_replaced_by_others_of_their_kind():
    phones, words, found = expected(RIGHT)
    is_wrong = (found.ratings == WRONG).all(axis=1)
    added = len(found.phones) - len(phones)
    assert 0 < added < is_wrong.sum() < 0.3 * len(phones)
    assert set(found.words) == set(words)


def test_the_other_phone_is_of_the_kind_of_the_one_that_was_said():
    phones, words, _ = expected(RIGHT)
    ratings = np.tile(RIGHT, (len(phones), 1))
    ratings[:, 0] = places = np.arange(1, len(phones) + 1)  # so that each can be found again
    found = altered(phones, words, ratings, np.random.default_rng(0))
    kept = [0, *np.flatnonzero(found.ratings[:, 0] > 0), len(found.phones)]
    replaced = 0
    for begin, end in pairwise(kept):
        between = found.phones[begin + (found.ratings[begin, 0] > 0) : end]
        last = int(found.ratings[begin, 0])
        following = int(found.ratings[end, 0]) if end < len(found.phones) else places[-1] + 1
        said = phones[last : following - 1].tolist()
        if len(between) > len(said):  # the first was added after the phone that was kept
            said.insert(0, phones[last - 1])
        for one, other in zip(said, between, strict=True):
            assert one != other
            assert any({PHONES[one], PHONES[other]} <= kind for kind in ALIKE)
            replaced += 1
    assert replaced == (found.ratings == WRONG).all(axis=1).sum() > 0


def test_phones_that_an_expert_doubted_stay_as_they_are():
    phones, words, found = expected(DOUBTED)
    np.testing.assert_array_equal(found.phones, phones)
    np.testing.assert_array_equal(found.words, words)
    assert (found.ratings == DOUBTED).all()


def test_the_same_generator_changes_the_same_phones():
    _, _, one = expected(RIGHT, seed=3)
    _, _, same = expected(RIGHT, seed=3)
    _, _, other = expected(RIGHT, seed=4)
    np.testing.assert_array_equal(one.phones, same.phones)
    assert one.phones.tolist() != other.phones.tolist()
