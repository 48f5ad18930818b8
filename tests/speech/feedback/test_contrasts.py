from itertools import permutations

import pytest

from speech.feedback import contrasts
from speech.feedback.contrasts import contrast
from speech.text.phones import IPA
from tests.speech.feedback.making import ENGLISH

PAIRS = [*contrasts._CONTRASTS, *contrasts._VOICED.items()]


@pytest.mark.parametrize(
    ("expected", "heard"),
    [
        ("TH", "S"), ("V", "W"), ("L", "R"), ("R", "L"), ("IH", "IY"), ("IY", "IH"), ("AE", "EH"),
        ("EH", "AE"), ("Z", "S"), ("DH", "D"), ("N", "NG"), ("NG", "N"), ("D", "T"), ("V", "F"),
        ("TH", "T"), ("TH", "F"), ("SH", "S"), ("UH", "UW"), ("AH", "AA"), ("B", "V"), ("F", "HH"),
    ],
)  # fmt: skip
def test_sounds_that_learners_often_confuse_are_contrasted(expected, heard):
    assert contrast(ENGLISH, expected, heard, ends_a_vowel=False)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_contrast_names_both_sounds_and_holds_both_ways(first, second):
    said = contrast(ENGLISH, first, second, ends_a_vowel=False)
    assert f"/{IPA[first]}/" in said
    assert f"/{IPA[second]}/" in said
    assert said == contrast(ENGLISH, second, first, ends_a_vowel=False)


def test_a_pair_is_written_about_once():
    assert len({frozenset(pair) for pair in PAIRS}) == len(PAIRS)


def test_the_voiced_sound_is_the_one_with_voice_whichever_was_expected():
    assert contrast(ENGLISH, "S", "Z", ends_a_vowel=False).index("/z/") < contrast(
        ENGLISH, "S", "Z", ends_a_vowel=False
    ).index("the voice sounds")
    assert "with /z/ the voice sounds, with /s/ it does not" in contrast(
        ENGLISH, "S", "Z", ends_a_vowel=False
    )


def test_at_the_end_of_a_word_the_vowels_length_distinguishes_voicing():
    assert "the vowel before /z/ is long" in contrast(ENGLISH, "Z", "S", ends_a_vowel=True)


def test_unwritten_pairs_have_no_contrast():
    assert contrast(ENGLISH, "M", "IY", ends_a_vowel=False) is None
    for first, second in permutations(IPA, 2):
        contrast(ENGLISH, first, second, ends_a_vowel=True)  # none raises
