import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.text.lexicon import dictionary_path, listed, plural, pronounce
from speech.text.phones import CONSONANTS, IPA, VOWELS
from speech.text.supplement import ADDED, REMOVED


def phones(word):
    return " ".join(pronounce(word).variants[0])


def test_listed_words_keep_all_their_variants():
    said = pronounce("read")
    assert said.is_listed
    assert said.variants == (("R", "EH", "D"), ("R", "IY", "D"))


def test_every_entry_of_the_dictionary_is_found_by_the_search():
    entries = {}
    for line in dictionary_path().read_text(encoding="utf-8").splitlines():
        entry, *said = line.split()
        entries.setdefault(entry.partition("(")[0], []).append(tuple(said))
    sample = [*list(entries)[::97], *list(entries)[:3], *list(entries)[-3:]]
    for word in sample:
        expected = [variant for variant in entries[word] if variant not in REMOVED.get(word, ())]
        assert list(listed(word))[: len(expected)] == expected
    assert len(entries) > 100_000


@pytest.mark.parametrize("word", ["", "'", "zzzzzz", "aaaaaa", "read(2)", "reax", "readx"])
def test_words_missing_from_the_dictionary_are_not_listed(word):
    assert listed(word) == ()


@pytest.mark.parametrize(
    ("word", "weak"),
    [
        ("and", "AH N D"), ("and", "AH N"), ("to", "T AH"), ("for", "F ER"), ("of", "AH V"),
        ("can", "K AH N"), ("you", "Y AH"), ("your", "Y ER"), ("at", "AH T"), ("them", "DH AH M"),
        ("was", "W AH Z"), ("have", "HH AH V"), ("a", "AH"), ("the", "DH AH"), ("are", "ER"),
        ("or", "ER"), ("than", "DH AH N"), ("some", "S AH M"), ("us", "AH S"), ("am", "AH M"),
    ],
)  # fmt: skip
def test_function_words_may_be_said_weakly(word, weak):
    assert tuple(weak.split()) in listed(word)


@pytest.mark.parametrize("letters", ["Y UW EH S", "EY EH M"])
def test_words_are_not_said_as_letters(letters):
    assert tuple(letters.split()) not in listed("us") + listed("am")


def test_no_supplement_forgives_what_learners_get_wrong():
    """Every added variant of a listed word reduces a vowel, or drops the d of "and"."""
    for word, variants in ADDED.items():
        known = [v for v in listed(word) if v not in variants]
        for variant in variants if known else ():
            consonants = [p for p in variant if p in CONSONANTS]
            spoken = [[p for p in v if p in CONSONANTS] for v in known]
            dropped_r = [[p for p in v if p != "R"] for v in spoken]
            assert consonants in spoken or consonants in dropped_r or word == "and", word


def test_supplement_and_removals_are_needed():
    for word, variants in REMOVED.items():
        assert not set(variants) & set(listed(word))
    for variants in ADDED.values():
        assert {phone for variant in variants for phone in variant} <= set(IPA)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dora's", "D AO R AH Z"),
        ("mandy's", "M AE N D IY Z"),
        ("sandwich's", "S AE N D W IH CH IH Z"),
        ("laptop's", "L AE P T AA P S"),
        ("kaiwa's", "K AY W AH Z"),
        ("tuesday'll", "T UW Z D EY AH L"),
        ("shouldn't've", "SH UH D AH N T AH V"),
    ],
)
def test_contractions_of_listed_words_are_as_good_as_listed(word, expected):
    said = pronounce(word)
    assert said.is_listed
    assert expected in [" ".join(variant) for variant in said.variants]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("bookworms", "B UH K W ER M Z"),  # a plural
        ("xqz", "EH K S K Y UW Z IY"),  # no vowel: spelled
        ("faq", "EH F EY K Y UW"),  # known to be spelled
        ("blorping", "B L AO R P IH NG"),
        ("doomscrolling", "D UW M S K R OW L IH NG"),
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


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sofas", "S OW F AH Z"),
        ("laptops", "L AE P T AA P S"),
        ("matchas", "M AA CH AH Z"),
        ("sandwiches", "S AE N D W IH CH IH Z"),
        ("zzyxws", ""),
        ("its", ""),
    ],
)
def test_a_plural_ends_as_its_stem_demands(word, expected):
    assert " ".join(next(iter(plural(word)), ())) == expected


@pytest.mark.parametrize("word", ["organise", "organised", "analysing", "prioritising"])
def test_british_spellings_are_the_listed_words(word):
    american = word.replace("ys", "yz").replace("is", "iz")
    assert pronounce(word).is_listed
    assert pronounce(word).variants == pronounce(american).variants


def test_the_name_of_the_letter_is_not_the_article():
    assert pronounce("a.").variants == (("EY",),)


@settings(deadline=None)  # the first word reads the network
@given(st.from_regex(r"[a-z]([a-z']{0,44}[a-z])?", fullmatch=True))
def test_every_word_has_phones_of_the_model(word):
    for variant in pronounce(word).variants:
        assert variant
        assert set(variant) <= set(IPA)


def test_phones_are_vowels_or_consonants_with_distinct_symbols():
    assert not set(VOWELS) & set(CONSONANTS)
    assert len(set(IPA.values())) == len(IPA) == 39


def test_words_are_pronounced_without_the_library_of_pocketsphinx():
    script = (
        "import sys; from speech.text.lexicon import pronounce; pronounce('zorbifying');"
        "sys.exit(any(name.startswith('pocketsphinx') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
