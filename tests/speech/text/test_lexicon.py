import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.text.lexicon import pronounce
from speech.text.phones import CONSONANTS, IPA, VOWELS


def phones(word):
    return " ".join(pronounce(word).variants[0])


def test_listed_words_keep_all_their_variants():
    said = pronounce("read")
    assert said.is_listed
    assert ("R", "EH", "D") in said.variants
    assert ("R", "IY", "D") in said.variants


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("bookworms", "B UH K W ER M Z"),  # a compound, then a plural
        ("xqz", "EH K S K Y UW Z IY"),  # no vowel: spelled
        ("blorping", "B L AO R P IH NG"),
    ],
)
def test_unlisted_words_are_approximated(word, expected):
    said = pronounce(word)
    assert not said.is_listed
    assert phones(word) == expected


@pytest.mark.parametrize(
    ("word", "ending"), [("outwalked", "T"), ("defragged", "D"), ("grandstanded", "IH D")]
)
def test_a_past_tense_ends_as_its_stem_demands(word, ending):
    assert not pronounce(word).is_listed
    assert phones(word).endswith(ending)


def test_a_made_up_word_with_silent_e_has_a_long_vowel():
    assert phones("zake") == "Z EY K"


@given(st.from_regex(r"[a-z]([a-z']{0,30}[a-z])?", fullmatch=True))
def test_every_word_has_phones_of_the_model(word):
    for variant in pronounce(word).variants:
        assert variant
        assert set(variant) <= set(IPA)


def test_phones_are_vowels_or_consonants_with_distinct_symbols():
    assert not set(VOWELS) & set(CONSONANTS)
    assert len(set(IPA.values())) == len(IPA) == 39
