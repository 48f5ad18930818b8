import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.fluency import PAUSE_SECONDS, SpokenWord, fluency


@st.composite
def utterances(draw):
    """Draw words of 0.03 to 1 s with gaps of 0 to 2 s, some of them hesitations."""
    words, now = [], draw(st.floats(0, 5))
    for _ in range(draw(st.integers(1, 20))):
        end = now + draw(st.floats(0.03, 1))
        words.append(SpokenWord(now, end, draw(st.integers(1, 4)), draw(st.booleans())))
        now = end + draw(st.floats(0, 2))
    return words


@given(utterances())
def test_the_articulation_rate_is_at_least_the_speech_rate(words):
    measured = fluency(words)
    assert measured.articulation_rate_wpm >= measured.speech_rate_wpm >= 0


@given(utterances())
def test_speech_and_pauses_fill_the_span(words):
    measured = fluency(words)
    span = words[-1].end - words[0].start
    assert measured.speech_seconds + measured.pause_seconds == pytest.approx(span)


@given(utterances())
def test_the_longest_pause_is_between_the_average_and_the_total(words):
    measured = fluency(words)
    assert measured.average_pause_seconds <= measured.longest_pause_seconds + 1e-9
    assert measured.longest_pause_seconds <= measured.pause_seconds + 1e-9


@given(utterances(), st.floats(0, 100))
def test_silence_before_the_first_word_changes_nothing(words, shift):
    later = [SpokenWord(w.start + shift, w.end + shift, w.count, w.is_hesitation) for w in words]
    assert fluency(later).speech_rate_wpm == pytest.approx(fluency(words).speech_rate_wpm)


@given(utterances())
def test_every_pause_is_between_two_words_and_long_enough(words):
    for pause in fluency(words).pauses:
        assert pause.start == words[pause.after].end
        assert pause.end == words[pause.after + 1].start
        assert pause.seconds >= PAUSE_SECONDS - 1e-5


@pytest.mark.parametrize(("gap", "pauses"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.6, 1)])
def test_a_pause_begins_at_250_ms(gap, pauses):
    # 0.55 + 0.25 - 0.55 is a little less than 0.25 in floating point.
    words = [SpokenWord(0.1, 0.55), SpokenWord(0.55 + gap, 2.0)]
    assert len(fluency(words).pauses) == pauses


def test_rates_are_words_a_minute():
    words = [SpokenWord(1.0, 1.5), SpokenWord(2.5, 3.0)]
    measured = fluency(words)
    assert measured.speech_rate_wpm == pytest.approx(60)  # 2 words in 2 s
    assert measured.articulation_rate_wpm == pytest.approx(120)  # and in 1 s without the pause


def test_hesitations_take_time_but_are_no_words():
    words = [SpokenWord(0, 0.5), SpokenWord(0.5, 1.0, is_hesitation=True), SpokenWord(1.0, 2.0)]
    measured = fluency(words)
    assert measured.speech_rate_wpm == pytest.approx(60)
    assert measured.hesitations == 1


def test_a_year_counts_as_the_words_it_is_said_in():
    assert fluency([SpokenWord(0, 1, count=3)]).speech_rate_wpm == pytest.approx(180)


def test_words_that_take_no_time_are_an_error():
    with pytest.raises(ValueError, match="must take some time"):
        fluency([SpokenWord(1.0, 1.0)])
