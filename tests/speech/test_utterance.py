from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.alignment.forced import AlignedPhone, AlignedWord, Alignment, Extra
from speech.fluency import fluency
from speech.text.transcript import Word
from speech.utterance import spoken_words, utterances


def spoken(word, start_frame, end_frame):
    phone = AlignedPhone(start_frame, end_frame, "AH", (start_frame, start_frame))
    return AlignedWord(word, (phone,), is_listed=True)


def year(*extras):
    """Say "in 1999", with 0.9 s between two parts of the number."""
    alignment = Alignment(
        (spoken("in", 0, 20), spoken("nineteen", 30, 70), spoken("ninety", 160, 200),
         spoken("nine", 200, 230)),
        extras,
        240,
    )  # fmt: skip
    words = [Word("in", 0, 2, ("in",)), Word("1999", 3, 7, ("nineteen", "ninety", "nine"))]
    return utterances(words, alignment)


@st.composite
def aligned(draw):
    """Draw written words of one to four parts, with extras between any two parts."""
    words, parts, extras, frame = [], [], [], 0
    for index in range(draw(st.integers(1, 6))):
        count = draw(st.integers(1, 4))
        for _ in range(count):
            for kind in draw(st.lists(st.sampled_from(["silence", "filler", "repeat"]))):
                end = frame + draw(st.integers(1, 60))
                extras.append(Extra(frame, end, kind))
                frame = end
            end = frame + draw(st.integers(3, 60))
            parts.append(spoken("x", frame, end))
            frame = end
        words.append(Word("x", index, index + 1, ("x",) * count))
    return words, Alignment(tuple(parts), tuple(extras), frame)


@given(aligned())
def test_nothing_that_was_said_overlaps(case):
    assert all(one.end <= following.start for one, following in pairwise(utterances(*case)))


@given(aligned())
def test_the_span_runs_from_the_first_to_the_last_that_was_said(case):
    words, alignment = case
    measured = fluency(spoken_words(utterances(words, alignment)))
    heard = [e for e in alignment.extras if e.kind != "silence"]
    first = min(said.start for said in (*alignment.words, *heard))
    last = max(said.end for said in alignment.words)  # no extra follows the last word here
    assert measured.speech_seconds + measured.pause_seconds == pytest.approx(last - first)


@pytest.mark.parametrize("extras", [(), (Extra(90, 130, "filler"),), (Extra(70, 160, "silence"),)])
def test_sounds_inside_a_number_belong_to_it(extras):
    said = year(*extras)
    assert [time for one in said for time in (one.start, one.end)] == pytest.approx(
        [0, 0.2, 0.3, 2.3]
    )
    measured = fluency(spoken_words(said))
    assert (measured.pauses, measured.hesitations) == ((), 0)
    assert measured.speech_rate_wpm == pytest.approx(60 * 4 / 2.3)


def test_a_hesitation_before_a_number_is_separate():
    said = year(Extra(20, 30, "filler"))
    assert [one.is_hesitation for one in said] == [False, True, False]
