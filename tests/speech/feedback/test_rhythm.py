import pytest

from speech.feedback.rhythm import small_words_share
from tests.speech.feedback.making import alternating, word


@pytest.mark.parametrize(("small_ms", "share"), [(150, 0.5), (300, 1.0), (600, 2.0)])
def test_small_words_are_timed_against_the_others(small_ms, share):
    assert small_words_share(alternating(small_ms, 300)) == pytest.approx(share)


def test_words_before_a_pause_do_not_count():
    words = alternating(150, 300)
    drawn_out = word("of", start_ms=words[-1].end_ms, end_ms=words[-1].end_ms + 5_000)
    after = word("us", start_ms=drawn_out.end_ms + 250, end_ms=drawn_out.end_ms + 400)
    assert small_words_share([*words, drawn_out, after]) == pytest.approx(0.5)


def test_few_words_have_no_rhythm():
    assert small_words_share(alternating(150, 300, count=3)) is None
    assert small_words_share([]) is None
    assert small_words_share(alternating(150, 300, gap_ms=250)) is None


@pytest.mark.parametrize("kind", ["judged", "said"])
def test_unjudged_and_unsaid_words_do_not_count(kind):
    words = alternating(150, 300)
    end = words[-1].end_ms
    um = word("a", **{kind: False}, start_ms=end, end_ms=end + 5_000)
    after = word("us", start_ms=um.end_ms, end_ms=um.end_ms + 100)
    assert small_words_share([*words, um, after]) == pytest.approx(0.5)
