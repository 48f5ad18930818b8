import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.scores.network import NetworkInput
from speech.text.phones import PHONES
from training.corpus import RatedWord
from training.ratings import carried_over, match

symbols = st.text("ABC", max_size=5)


def edits(wanted, found):
    if not (wanted and found):
        return len(wanted) + len(found)
    changed = edits(wanted[1:], found[1:]) + (wanted[0] != found[0])
    return min(changed, edits(wanted[1:], found) + 1, edits(wanted, found[1:]) + 1)


@given(wanted=symbols, found=symbols)
@settings(deadline=None)
def test_a_match_keeps_the_order_and_takes_the_fewest_edits(wanted, found):
    places = match(wanted, found)
    matched = [place for place in places if place is not None]
    assert len(places) == len(wanted)
    assert matched == sorted(set(matched))
    changed = sum(
        symbol != found[place]
        for symbol, place in zip(wanted, places, strict=True)
        if place is not None
    )
    left_out = len(wanted) + len(found) - 2 * len(matched)
    assert changed + left_out == edits(wanted, found)


def test_fewest_edits_are_found():
    assert match("KITTEN", "SITTING") == [0, 1, 2, 3, 4, 5]
    assert match("ABC", "AC") == [0, None, 1]
    assert match("AC", "ABC") == [0, 2]


@pytest.fixture
def aligned():
    """Return the measures of words that were aligned with these phones."""

    def build(*words):
        phones = [PHONES.index(phone) for word in words for phone in word.split()]
        nothing = np.empty(0, np.float32)
        return NetworkInput(
            nothing, nothing, np.empty((0, 2), int), np.array(phones), np.empty(0, int),
            np.repeat(np.arange(len(words)), [len(word.split()) for word in words]),
            nothing, nothing,
        )  # fmt: skip

    return build


def test_ratings_go_to_the_same_phones_word_by_word(aligned):
    rated = [
        RatedWord("FOR", 8, ("F", "AO"), (2, 1.5)),  # the engine aligned its r
        RatedWord("AND", 9, ("AE", "N", "D"), (1, 1.2, 0.4)),  # and another vowel, and no d
        RatedWord("A", 10, ("AH",), (0.2,)),
    ]
    found = carried_over(rated, aligned("F AO R", "AH N", "AH"))
    np.testing.assert_allclose(found, np.float32([2, 1.5, np.nan, 1, 1.2, 0.2]))
