import pytest

from training.dictionary_words import read_words


@pytest.fixture(scope="module")
def words():
    return read_words()


def test_no_held_out_word_shares_a_stem_with_one_that_is_learnt(words):
    learnt = set(words.learnt)
    assert not learnt & {*words.unseen, *words.unseen_singly}
    for word in words.unseen:
        if len(word) > 3:  # "do" is no stem of "dos"
            related = {word + "s", word + "ed", word + "ing", word.removesuffix("s")} - {word}
            assert not learnt & related


def test_one_word_in_twenty_is_held_out(words):
    everything = len(words.learnt) + len(words.unseen) + len(words.unseen_singly)
    assert len(words.unseen) / everything == pytest.approx(0.05, abs=0.001)
