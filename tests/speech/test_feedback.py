# ruff: noqa: RUF001 - the letters of the IPA look like others
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import feedback
from speech.feedback import HeardWord, explain, problematic, recommend
from speech.fluency import SpokenWord, fluency


def heard(text="word", confidence=0.9, phones=(("w", 90.0), ("ɝ", 90.0), ("d", 90.0)), judged=True):
    return HeardWord(text, 0, 300, confidence, phones, judged)


def steady(words=8, gap=0.0, hesitations=0):
    """Words of 0.3 s each."""
    return fluency(
        [
            SpokenWord(i * (0.3 + gap), i * (0.3 + gap) + 0.3, is_hesitation=i < hesitations)
            for i in range(words)
        ]
    )


def advice(words, measured, score=90.0):
    return recommend(words, measured, accuracy_score=score, fluency_score=score)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 1), st.booleans()), max_size=30)
)
def test_only_doubtful_words_are_named_each_once_worst_first(drawn):
    words = [heard(text, confidence, judged=judged) for text, confidence, judged in drawn]
    named = problematic(words)
    assert len(named) <= feedback.MAX_PROBLEMATIC_WORDS
    assert len({word.text for word in named}) == len(named)
    assert all(word.is_judged and word.confidence < 0.35 for word in named)
    assert [word.confidence for word in named] == sorted(word.confidence for word in named)


@pytest.mark.parametrize(
    ("confidence", "severity"), [(0.05, "high"), (0.2, "medium"), (0.3, "low")]
)
def test_severity_follows_certainty(confidence, severity):
    assert explain(heard(confidence=confidence)).severity == severity


def test_an_explanation_names_the_weakest_sound_and_how_to_practise():
    word = explain(heard("think", 0.1, (("θ", 20.0), ("ɪ", 80.0), ("ŋ", 70.0), ("k", 60.0))))
    assert "/θ/" in word.issue
    assert "/θ ɪ ŋ k/" in word.suggestion


def test_a_sound_that_is_weak_in_two_words_is_recommended():
    words = [heard("think", 0.1, (("θ", 20.0),)), heard("three", 0.2, (("θ", 30.0),)), heard()]
    (recommendation,) = advice(words, steady())
    assert "/θ/" in recommendation
    assert "think" in recommendation
    assert "three" in recommendation


def test_a_sound_that_is_weak_in_one_word_is_not():
    words = [heard("think", 0.1, (("θ", 20.0),)), heard("three", 0.9, (("θ", 30.0),))]
    assert advice(words, steady()) == []


@pytest.mark.parametrize(
    ("measured", "word"),
    [
        (steady(gap=0.3), "Pauses take"),
        (steady(hesitations=3), "hesitated 3 times"),
        (fluency([SpokenWord(i, i + 0.9) for i in range(8)]), "slowly"),
        (fluency([SpokenWord(i * 0.2, i * 0.2 + 0.2) for i in range(8)]), "fast"),
    ],
)
def test_measures_that_stand_out_are_mentioned(measured, word):
    assert any(word in recommendation for recommendation in advice([heard()] * 8, measured))


def test_few_words_say_nothing_about_rate_or_pauses():
    assert advice([heard()] * 2, steady(words=2, gap=2.0), score=50.0) == []


def test_good_speech_is_praised():
    assert advice([heard()] * 8, steady()) == ["Clear and fluent. Try a longer or harder sentence."]


def test_mediocre_speech_without_findings_gets_no_advice():
    assert advice([heard()] * 8, steady(), score=60.0) == []
