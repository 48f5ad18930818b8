import pytest

from speech.feedback.articulation import ARTICULATIONS
from speech.text.lexicon import pronounce
from speech.text.phones import IPA


def test_every_sound_is_described():
    assert set(ARTICULATIONS) == set(IPA)


@pytest.mark.parametrize("phone", ARTICULATIONS)
def test_examples_and_practice_words_have_the_sound(phone):
    articulation = ARTICULATIONS[phone]
    for word in (*articulation.examples, *articulation.practice):
        said = pronounce(word)
        assert said.is_listed
        assert phone in said.variants[0], word


@pytest.mark.parametrize("phone", ARTICULATIONS)
def test_a_sound_has_a_few_different_words(phone):
    assert 4 <= len(set(ARTICULATIONS[phone].practice)) <= 6
