import pytest

from speech.breaks import Break
from speech.feedback.advice import recommend
from speech.fluency import SpokenWord, fluency
from tests.speech.feedback.making import BEST, ENGLISH, alternating, steady, think, three, word


def advice(words, measured, score=90.0, breaks=()):
    """Return the advice without the reasons of the score, which come last."""
    every = recommend(
        ENGLISH, words, measured, breaks, BEST, accuracy_score=score, fluency_score=score
    )
    assert every[-1].startswith(("What was good", "What cost points", "No single measure"))
    return every[:-1]


def test_a_sound_heard_as_another_in_two_words_is_advised_with_the_difference():
    (text,) = advice([think(TH="S"), three(TH="S"), word()], steady())
    assert text.startswith("Practise /θ/, as in “month”: in “think”, “three” it sounded like /s/.")
    assert "between the teeth" in text


@pytest.mark.parametrize(("found", "finding"), [("", "not heard in"), (20.0, "unclear in")])
def test_a_sound_dropped_or_unclear_in_two_words_is_advised_with_how_to_make_it(found, finding):
    (text,) = advice([think(TH=found), three(TH=found)], steady())
    assert f"it was {finding} “think”, “three”." in text
    assert "between the teeth" in text


def test_a_sound_that_is_weak_in_one_word_gets_no_advice():
    assert advice([think(TH=20.0), three(0.9, TH=30.0)], steady()) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (steady(gap=0.3), "pause after almost every word"),
        (fluency([SpokenWord(0, 1), *(SpokenWord(3 + i / 2, 3.4 + i / 2) for i in range(7))]),
         "Pauses take"),
        (steady(hesitations=3), "hesitated 3 times"),
        (steady(seconds=0.9), "slowly"),
        (steady(seconds=0.2), "fast"),
    ],
)  # fmt: skip
def test_measures_that_stand_out_are_mentioned(measured, said):
    assert any(said in text for text in advice([word()] * 8, measured))


def test_the_longest_unexpected_pause_and_the_first_missing_one_are_mentioned():
    breaks = [
        Break("unexpected", "a", 1.0, 1.6), Break("unexpected", "the", 2.0, 3.0),
        Break("missing", "home", 4.0, 4.0), Break("missing", "tea", 6.0, 6.0),
    ]  # fmt: skip
    about_pause, about_sentence = advice([word()] * 8, steady(), breaks=breaks)
    assert "paused after “the”" in about_pause
    assert "sentence ends after “home”" in about_sentence


def test_single_pauses_are_not_mentioned_among_many():
    found = advice([word()] * 8, steady(gap=0.3), breaks=[Break("unexpected", "a", 1.0, 1.6)])
    assert not any("“a”" in text for text in found)


def test_what_the_text_lacks_is_mentioned_once_for_a_word():
    words = [word(), word("tea", follows_insertion=True), word("tea", follows_insertion=True)]
    (text,) = advice(words, steady(3), score=50.0)
    assert text == (
        "Something that is not in the text was heard before “tea”. Say only the words of the text."
    )


def test_small_words_that_are_drawn_out_are_mentioned():
    assert any("Small words" in text for text in advice(alternating(450, 300), steady(10)))
    assert not any("Small words" in text for text in advice(alternating(400, 300), steady(10)))


def test_few_words_give_no_advice_on_rate_or_pauses():
    assert advice([word()] * 2, steady(words=2, gap=2.0), score=50.0) == []


def test_good_speech_is_praised():
    assert advice([word()] * 8, steady()) == ["Clear and fluent. Try a longer or harder sentence."]


@pytest.mark.parametrize(
    "words", [[word()] * 4, [*[word()] * 4, *[word(judged=False)] * 4]], ids=["few", "not-judged"]
)
def test_a_few_words_are_not_praised(words):
    assert advice(words, steady(len(words))) == []


def test_much_other_speech_is_not_counted_as_hesitations():
    measured = steady(words=13, hesitations=5)
    (text,) = advice([word()] * 8, measured)
    assert text.startswith("Much of what was heard adds nothing to the text")
    assert any("hesitated 4 times" in t for t in advice([word()] * 8, steady(12, hesitations=4)))


def test_mediocre_speech_without_findings_gets_no_advice():
    assert advice([word()] * 8, steady(), score=60.0) == []
