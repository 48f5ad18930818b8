import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import EmptyTranscript, SpeechError, UnsupportedScript
from speech.text.transcript import read


def spoken(text):
    return [part for word in read(text, "en").words for part in word.spoken]


def hesitations(text):
    return [word.text for word in read(text, "en").words if word.is_hesitation]


@settings(deadline=None)  # the first word reads the dictionary
@given(st.text() | st.text("aAbBzZ'1.,- "))
def test_offsets_point_at_the_word_as_written(text):
    try:
        transcript = read(text, "en")
    except SpeechError:
        return
    assert_places_and_words_are_sound(text, transcript)


# Parts of numbers, dates, times, money and units.
_PIECES = "0123456789.,$€£¥¢%°-:/+#=' aBcKmMpst²³¹⁴½⅛ŁøÆ\u0130\u0131"


@settings(deadline=None, max_examples=500)
@given(st.text(_PIECES))
def test_whatever_looks_like_a_number_is_read_or_refused_with_a_reason(text):
    try:
        transcript = read(text, "en")
    except SpeechError:
        return
    assert_places_and_words_are_sound(text, transcript)


def assert_places_and_words_are_sound(text, transcript):
    assert transcript.words
    for word in transcript.words:
        assert text[word.char_start : word.char_end] == word.text
        assert word.spoken
        assert all(re.fullmatch(r"a\.|'?[a-z][a-z']*", part) for part in word.spoken)
    places = [place for word in transcript.words for place in (word.char_start, word.char_end)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", "hello world"),
        ("  HELLO   world  ", "hello world"),
        ("Don\u2019t stop", "don't stop"),
        ("'quoted' \u201cwords\u201d", "quoted words"),
        ("a well-known state-of-the-art idea", "a well known state of the art idea"),
        ("caf\u00e9 and cafe\u0301, na\u00efve", "cafe and cafe naive"),
        ("stra\u00dfe", "strasse"),
        ("rock & roll", "rock and roll"),
        ("I was born in 1999.", "i was born in nineteen ninety nine"),
        ("It costs $5.50, 10% off", "it costs five dollars fifty cents ten percent off"),
        ("nice \U0001f600 day \U0001f1ef\U0001f1f5", "nice day"),
        ("5kg of B2B", "five kilograms of b two b"),
        ("snake_case", "snake case"),
        ("A'Aa", "a' aa"),
    ],
)
def test_text_becomes_the_words_that_are_said(text, words):
    assert spoken(text) == words.split()


@pytest.mark.parametrize(
    "text", ["", "   ", "\u2026!?", "\U0001f600\U0001f44d", "\n\t", "--- ' - \u2019", "\u00b2"]
)
def test_a_text_without_words_is_empty(text):
    with pytest.raises(EmptyTranscript):
        read(text, "en")


@pytest.mark.parametrize("text", ["um", "Uh, um", "Ummmm\u2026 hmm!"])
def test_a_text_of_nothing_but_fillers_is_empty(text):
    with pytest.raises(EmptyTranscript):
        read(text, "en")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (".3.4", "point three point four"),
        ("Version .1.2 is out", "version point one point two is out"),
        ("£.5.5", "point five point five"),
        ("x²", "x squared"),
        ("½", "a half"),
        ("⅛", "an eighth"),
        ("Łódź", "lodz"),
    ],
)
def test_texts_of_rare_characters_are_read(text, words):
    assert spoken(text) == words.split()


@pytest.mark.parametrize(
    ("text", "open_to_choice"),
    [
        ("The caf\u00e9 isn't sooo GOOD, is it", []),
        ("I paid $5 for 12 of 3/4 at 3:30", ["$5", "12", "3/4", "3:30"]),
        ("Jan. 3rd, May 5", ["Jan.", "3rd", "5"]),
        ("Dr. Lee, St. Paul, etc. & so on", ["Dr.", "St", "etc", "&"]),
        ("5 kg at 10 am, x\u00b2", ["5", "kg", "10", "am", "\u00b2"]),
        ("NASA, the BBC's TV and U.S. ChatGPT", ["BBC's", "TV", "U.S.", "ChatGPT"]),
        ("watch tv in the usa with plan b", ["tv", "usa"]),
        ("write to a@b.com", ["a@b.com"]),
    ],
)
def test_words_that_can_be_said_in_several_ways_are_not_plain(text, open_to_choice):
    assert [word.text for word in read(text, "en").words if not word.is_plain] == open_to_choice


@pytest.mark.parametrize(
    "text",
    [
        "\u79c1\u306f\u5b66\u751f\u3067\u3059",
        "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
        "\uc548\ub155\ud558\uc138\uc694 hi",
        "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
    ],
)
def test_a_text_in_another_script_is_refused(text):
    with pytest.raises(UnsupportedScript):
        read(text + " " + text, "en")


def test_a_few_foreign_words_are_left_out_and_counted():
    transcript = read("I really love \u5bff\u53f8 very much", "en")
    assert [word.text for word in transcript.words] == ["I", "really", "love", "very", "much"]
    assert transcript.skipped == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Um, I think, uh, so", ["Um", "uh"]),
        ("Well, hmm", ["hmm"]),
        ("um um, yes", ["um", "um"]),
        ("um- I mean -um", ["um", "um"]),
        ("Uh-huh, mm\u2011hmm and uh-oh!", []),
    ],
)
def test_fillers_are_hesitations_unless_they_are_half_of_an_answer(text, expected):
    assert hesitations(text) == expected


def test_an_answer_of_two_fillers_is_a_text():
    assert spoken("Uh-huh.") == ["uh", "huh"]


@pytest.mark.parametrize(
    "text",
    [
        "twenty twenty", "22 22", "zero zero seven", "a fifty-fifty chance", "a win-win situation",
        "Knock-knock!", "a yo-yo and a pom-pom", "Chop chop!", "blah blah blah", "bye-bye", "no no",
        "very very good", "Ha ha", "I had had enough", "I know that that is right", "night night",
        "the choo choo goes tick tick tick", "Hear, hear!", "so-so", "there, there", "it is is it",
        "Walla Walla and Bora Bora", "No. No way", "I went. Went where?", "b o o k", "t-t-two",
        "New York, New York", "the more the more", "log in in the morning", "in the the dog",
        "I I want want to go", "I\u2026 I... I want", "the, the dog", "thirty-thirty",
    ],
)  # fmt: skip
def test_a_repeat_in_the_text_is_to_be_said_twice(text):
    assert hesitations(text) == []


def test_a_sign_without_a_reading_is_left_out_and_counted():
    transcript = read("It costs \u20a1 5 and $$$, or 4 \u2295 5", "en")
    assert transcript.skipped == 3
    assert read("It costs $ 4, or 10,50 \u20ac, in C#", "en").skipped == 0


def test_a_pasted_link_is_left_out_and_counted():
    transcript = read("Look at https://example.com/" + "a/" * 900 + " now", "en")
    assert [word.text for word in transcript.words] == ["Look", "at", "now"]
    assert transcript.skipped == 1
    with pytest.raises(EmptyTranscript):
        read("https://example.com", "en")


def test_a_slip_of_the_keyboard_is_left_out():
    transcript = read("well " + "qwertz" * 60 + " yes", "en")
    assert [word.text for word in transcript.words] == ["well", "yes"]
    assert transcript.skipped == 1


def test_drawled_fillers_are_hesitations():
    assert hesitations("Ummmm, sooo, hmmm, yes") == ["Ummmm", "hmmm"]


def test_ten_thousand_words_are_read():
    assert len(read("word and another " * 3_334, "en").words) == 10_002


@pytest.mark.parametrize(
    ("text", "boundaries"),
    [
        ("Go home. Now!", ["", "sentence", "sentence"]),
        ("First, go", ["phrase", ""]),
        ("Well ... yes", ["phrase", ""]),
        ("Well… yes", ["phrase", ""]),
        ("he said (so)", ["", "phrase", "phrase"]),
        ("twenty-one - or two", ["", "phrase", "", ""]),
        ("at 5 p.m. we left", ["", "", "", "", ""]),
        ("one\ntwo", ["phrase", ""]),
        ("In St. Louis", ["", "phrase", ""]),
        ("Ask Ms. Green", ["", "phrase", ""]),
        ("Mr. Green", ["", ""]),
        ("tea etc. and cake", ["", "phrase", "", ""]),
        ("J. K. Rowling", ["phrase", "phrase", ""]),
        ("Go. go", ["phrase", ""]),
        ("“Go!” he said", ["phrase", "", ""]),
        ("I said no. Then", ["", "", "sentence", ""]),
        ("It was 5. “Go", ["", "", "sentence", ""]),
    ],
)
def test_punctuation_ends_phrases_and_sentences(text, boundaries):
    assert [word.boundary for word in read(text, "en").words] == boundaries
