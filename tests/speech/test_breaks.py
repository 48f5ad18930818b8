import pytest

from speech.breaks import MISSING_SECONDS, UNEXPECTED_SECONDS, breaks
from speech.text import transcript
from speech.utterance import Utterance


@pytest.fixture
def said():
    """Say a text at half a second a word, with gaps of so many seconds after some words."""

    def _said(text, **gaps):
        timeline, now = [], 0.0
        for word in transcript.read(text, "en").words:
            timeline.append(Utterance(word, (), now, now + 0.5))
            now += 0.5 + gaps.get(word.text, 0.0)
        return timeline

    return _said


def kinds(timeline):
    return [(one.kind, one.word) for one in breaks(timeline)]


def test_a_pause_within_a_phrase_is_unexpected(said):
    (found,) = breaks(said("I would like the red one", the=0.8))
    assert (found.kind, found.word) == ("unexpected", "the")
    assert found.end - found.start == pytest.approx(0.8)


@pytest.mark.parametrize("text", ["We went home, he did not", "We went home (yes he did)"])
def test_a_pause_at_punctuation_is_expected(said, text):
    assert not kinds(said(text, home=1.0))


def test_a_pause_before_a_word_that_opens_a_phrase_is_expected(said):
    assert not kinds(said("We walked along the river and we talked", river=1.0))


def test_a_short_pause_is_passed_over(said):
    assert not kinds(said("I would like the red one", the=UNEXPECTED_SECONDS - 0.01))


def test_a_sentence_that_runs_into_the_next_lacks_a_pause(said):
    text = "We all went home. Then we had some tea."
    assert kinds(said(text)) == [("missing", "home")]
    assert not kinds(said(text, home=MISSING_SECONDS))


def test_short_sentences_may_be_said_in_one_go(said):
    assert not kinds(said("Yes. I really do like that."))


def test_a_pause_beside_a_hesitation_is_its_own(said):
    assert not kinds(said("I like, um the red one", um=1.0))
    timeline = said("I would like the red one", the=1.0)
    assert not kinds([*timeline[:4], Utterance(None, (), 2.1, 2.4), *timeline[4:]])
