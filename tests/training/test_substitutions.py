import numpy as np

from speech.text.phones import PHONES, VOWELS
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
    replaced = is_wrong.sum() - added
    kept = found.phones[~is_wrong]
    assert len(kept) == len(phones) - replaced
    vowels = np.array([PHONES[phone] in VOWELS for phone in found.phones])
    assert vowels.sum() >= 50  # a vowel stays a vowel


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
