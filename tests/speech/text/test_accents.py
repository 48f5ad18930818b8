import pytest

from speech.text.accents import with_accents
from speech.text.lexicon import pronounce


def ways(word):
    return [" ".join(variant) for variant in pronounce(word).variants]


@pytest.mark.parametrize(
    ("word", "american", "british"),
    [
        ("four", "F AO R", "F AO"),
        ("hard", "HH AA R D", "HH AA D"),
        ("their", "DH EH R", "DH EH"),
        ("here", "HH IY R", "HH IH AH"),
        ("sure", "SH UH R", "SH UH AH"),
        ("flour", "F L AW R", "F L AW AH"),
        ("sister", "S IH S T ER", "S IH S T AH"),
        ("sisters", "S IH S T ER Z", "S IH S T AH Z"),
        ("answered", "AE N S ER D", "AA N S AH D"),
        ("can't", "K AE N T", "K AA N T"),
        ("aunt's", "AE N T S", "AA N T S"),
        ("passport", "P AE S P AO R T", "P AA S P AO T"),
    ],
)
def test_a_word_may_be_said_without_r_or_with_the_broad_a(word, american, british):
    said = ways(word)
    assert american in said
    assert british in said
    assert said.index(american) < said.index(british)


@pytest.mark.parametrize(
    ("word", "only"),
    [
        ("red", "R EH D"),
        ("very", "V EH R IY"),  # a vowel follows
        ("her", "HH ER"),  # a long vowel, no schwa
        ("nurse", "N ER S"),
        ("hat", "HH AE T"),
    ],
)
def test_other_words_are_said_alike_everywhere(word, only):
    assert ways(word) == [only]


def test_no_pronunciation_is_listed_twice():
    assert with_accents("her", [("HH", "ER"), ("HH", "ER")]) == (("HH", "ER"),)
