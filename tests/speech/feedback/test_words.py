# ruff: noqa: RUF001 - IPA letters look like other characters
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.feedback.articulation import ARTICULATIONS
from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.thresholds import (
    MAX_PRACTICE_WORDS,
    MAX_PROBLEMATIC_WORDS,
    SEVERITIES,
    UNCLEAR_PHONE_SCORE,
)
from speech.feedback.words import explain, how, practice_words, problematic, weak_sounds
from speech.text.phones import IPA
from tests.speech.feedback.making import ENGLISH, think, three, word

NAMED_BELOW = SEVERITIES[-1][0]
PHONES = st.builds(
    HeardPhone,
    st.sampled_from(sorted(IPA)),
    st.floats(0, 100),
    st.one_of(st.none(), st.sampled_from(["", *IPA])),
)
WORDS = st.lists(
    st.builds(
        HeardWord,
        st.sampled_from(["red", "Red", "think", "o'clock", "us", "US"]),
        st.just(0),
        st.just(300),
        st.floats(0, 1),
        st.lists(PHONES, min_size=1, max_size=6).map(tuple),
        st.lists(st.sampled_from(sorted(IPA)), min_size=1, max_size=6).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


@given(WORDS)
def test_only_doubtful_words_are_named_each_once_worst_first(words):
    named = problematic(words)
    assert len(named) <= MAX_PROBLEMATIC_WORDS
    assert len({word.text.casefold() for word in named}) == len(named)
    assert all(word.is_judged and word.confidence < NAMED_BELOW for word in named)
    assert [word.confidence for word in named] == sorted(word.confidence for word in named)


@given(WORDS)
def test_explanations_are_deterministic_and_picklable(words):
    explained = [explain(ENGLISH, word) for word in problematic(words)]
    assert explained == [
        explain(ENGLISH, word) for word in problematic(pickle.loads(pickle.dumps(words)))
    ]
    assert pickle.loads(pickle.dumps(explained)) == explained


@given(WORDS)
def test_another_sound_is_named_only_if_it_is_sure(words):
    for named in (one for one in problematic(words) if one.is_said):
        explained = explain(ENGLISH, named).issue
        sure = [phone.heard_instead for phone in named.phones if phone.is_replaced]
        assert explained.count("sounded like") <= sum(bool(heard) for heard in sure)
        assert explained.count("not heard") <= sure.count("")


@given(WORDS)
def test_practice_begins_with_the_learners_own_words(words):
    practice = practice_words(words)
    named = [word.text for word in problematic(words) if word.is_said]
    assert practice[: len(named)] == named
    assert len({word.casefold() for word in practice}) == len(practice) <= MAX_PRACTICE_WORDS


@pytest.mark.parametrize(
    ("confidence", "severity"), [(0.05, "high"), (0.2, "medium"), (0.3, "low"), (0.8, "low")]
)
def test_severity_follows_certainty(confidence, severity):
    assert explain(ENGLISH, word(confidence=confidence)).severity == severity


def test_the_sound_heard_instead_is_contrasted():
    explained = explain(ENGLISH, think(TH="S"))
    assert explained.issue == "The first sound /θ/, as in “month”, sounded like /s/, as in “see”."
    assert explained.suggestion.startswith("For /θ/ the tip of the tongue comes between the teeth")
    assert explained.suggestion.endswith("sound by sound: /θ ɪ ŋ k/. Then at your usual speed.")


def test_a_dropped_sound_is_reported_as_dropped():
    explained = explain(ENGLISH, word("red", 0.1, D=""))
    assert explained.issue == "The last sound /d/, as in “day”, was not heard."
    assert explained.suggestion.startswith("Give it a short moment. Touch the ridge")


def test_advice_on_one_of_two_sounds_names_it():
    dropped = explain(ENGLISH, word("red", 0.1, D="", R=20.0))
    assert dropped.issue.count("sound /") == 2
    assert dropped.suggestion.startswith("For /d/: give it a short moment. Touch the ridge behind")
    unclear = explain(ENGLISH, think(IH=10.0, K=20.0)).suggestion
    assert unclear.startswith("For /ɪ/: keep it short and relaxed")
    assert explain(ENGLISH, think(TH="S", K=20.0)).suggestion.startswith(
        "For /θ/ the tip of the tongue"
    )


def test_a_last_sound_without_voice_is_mended_at_the_vowel():
    assert "the vowel before /d/ is long" in explain(ENGLISH, word("red", 0.1, D="T")).suggestion
    hands = word("hands", 0.1, phones="HH AE N D Z", Z="S")
    assert "the voice sounds" in explain(ENGLISH, hands).suggestion


def test_an_unclear_sound_is_called_no_more_than_unclear():
    explained = explain(ENGLISH, think(IH=20.0))
    assert explained.issue == "The sound /ɪ/, as in “sit”, was unclear."
    assert explained.suggestion.startswith(how(ENGLISH, "IH"))


def test_clear_replacements_come_first_and_at_most_two_sounds_are_named():
    issue = explain(ENGLISH, think(IH=1.0, NG="N", K=2.0)).issue
    assert issue.index("/ŋ/") < issue.index("/ɪ/")
    assert "/k/" not in issue


def test_a_word_without_a_clear_culprit_is_unclear_as_a_whole():
    explained = explain(ENGLISH, think())
    assert explained.issue == "It was hard to recognise as a whole."
    assert explained.suggestion.startswith("Say it slowly")


def test_a_phone_heard_as_expected_is_no_fault():
    heard = replace(word("red", 0.1), phones=(HeardPhone("R", 90.0, "R"),))
    assert explain(ENGLISH, heard).issue == "It was hard to recognise as a whole."


@pytest.mark.parametrize(
    ("text", "phones", "usual", "sounds"),
    [
        ("would", "W AH D", "W UH D", "/w ʊ d/"),
        ("or", "ER", "AO R", "/ɔ ɹ/"),
        ("cup", "K AH P", "K AH P", "/k ʌ p/"),
        ("lazy", "L EY Z IY", "L EY Z IY", "/l eɪ z i/"),
        ("read", "R IY D", "R EH D", "/ɹ i d/"),
    ],
    ids=["weak-form", "weak-form-with-r", "stressed", "two-vowels", "another-word"],
)
def test_a_word_is_taught_as_it_is_usually_said(text, phones, usual, sounds):
    explained = explain(ENGLISH, word(text, 0.1, phones=phones, usual=usual)).suggestion
    assert explained == f"Say it slowly, sound by sound: {sounds}. Then at your usual speed."


def test_a_word_whose_stress_is_unknown_is_taught_by_syllables():
    explained = explain(ENGLISH, word("satisfied", 0.1, phones="S AE T AH S F AY D")).suggestion
    assert explained == "Say it slowly, syllable by syllable. Then at your usual speed."


@pytest.mark.parametrize(("text", "phones"), [("us", "AH S"), ("Have", "HH AH V")])
def test_a_small_word_is_not_taught_sound_by_sound(text, phones):
    explained = explain(ENGLISH, word(text, 0.1, phones=phones, usual="HH AE V")).suggestion
    assert explained == "Say it clearly by itself, then short and light between the others."


def test_a_word_that_was_not_said_is_reported_as_such_and_nothing_else():
    explained = explain(ENGLISH, think(TH="S", said=False))
    assert (explained.issue, explained.severity) == ("It was not heard.", "high")
    assert explained.suggestion == "Say every word of the text."


def test_a_sound_is_weak_that_fails_in_several_words():
    (sound,) = weak_sounds([think(TH="S"), three(TH="S"), word()])
    assert (sound.arpabet, sound.heard_instead, sound.words) == ("TH", "S", ("think", "three"))


def test_a_weak_sound_names_its_words_as_they_are_written():
    (sound,) = weak_sounds([word("I", phones="AY", AY="AA"), word("Like", phones="AY", AY="AA")])
    assert sound.words == ("I", "Like")


def test_a_weak_sound_heard_as_several_others_is_only_unclear():
    (sound,) = weak_sounds([think(TH="S"), three(TH=UNCLEAR_PHONE_SCORE - 1)])
    assert sound.heard_instead is None


def test_a_substitution_that_is_sure_counts_in_words_that_are_not_named():
    assert weak_sounds([think(0.8, TH="S"), three(0.8, TH="S")])
    assert not weak_sounds([think(0.8, TH=1.0), three(0.8, TH=1.0)])


@pytest.mark.parametrize(
    "words",
    [
        [think(TH="S")],
        [think(TH="S"), think(TH="S")],
        [think(TH="S"), three(TH="S", judged=False)],
        [think(TH="S"), three(TH="S", said=False)],
        [think(TH="S"), three(TH="S")]
        + [word(text, phones="TH IH N") for text in ("thin", "thing", "Thursday")],
    ],
    ids=["once", "one-word-twice", "not-judged", "not-said", "mostly-well-said"],
)
def test_a_sound_is_not_weak_if_it_fails(words):
    assert weak_sounds(words) == []


def test_practice_words_have_the_sound_that_failed():
    assert practice_words([think(TH="S"), word()]) == [
        "think", *(word for word in ARTICULATIONS["TH"].practice if word != "think")
    ]  # fmt: skip


def test_nothing_failed_leaves_nothing_to_practise():
    assert practice_words([word(), think(0.9)]) == []


def test_practice_words_are_written_as_in_the_text():
    words = [word("US", 0.1), word("us", 0.2), word("English", 0.2), word("Think", 0.3, R="L")]
    assert practice_words(words)[:3] == ["US", "English", "Think"]


def test_unsaid_words_are_not_practised():
    assert practice_words([think(TH="S", said=False)]) == []
