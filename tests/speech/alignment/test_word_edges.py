from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.alignment import by_voice
from speech.alignment.by_voice import word_edges
from speech.synthetic_voice import SyntheticSpeech, is_vowel


def reading(words, phones=(), seconds=2.0):
    return SyntheticSpeech(np.zeros(round(16_000 * seconds), np.float32), tuple(words), phones)


def test_words_end_where_the_next_ones_begin():
    edges = word_edges(reading([(0, 0.0), (3, 0.5), (9, 1.5)]), [0, 3, 9], [2, 5, 4])
    assert edges.tolist() == [[0.0, 0.5], [0.5, 1.5], [1.5, 2.0]]


def test_a_pause_after_a_word_is_none_of_it():
    phones = (("n", 0.0), ("oʊ", 0.2), ("", 0.4), ("", 0.6), ("j", 1.0), ("", 1.8))
    edges = word_edges(reading([(0, 0.0), (4, 1.0)], phones), [0, 4], [2, 3])
    assert edges.tolist() == [[0.0, 0.4], [1.0, 1.8]]


def test_a_pause_inside_a_word_belongs_to_it():
    phones = (("a", 0.0), ("", 0.5), ("b", 0.8))
    edges = word_edges(reading([(0, 0.0), (4, 1.0)], phones), [0, 4], [3, 3])
    assert edges[0].tolist() == [0.0, 1.0]


def test_words_that_run_together_share_their_time_by_letters():
    edges = word_edges(reading([(0, 0.0), (10, 1.0)]), [0, 3, 10], [2, 6, 4])
    assert edges[:2].ravel() == pytest.approx([0, 0.25, 0.25, 1.0])


def test_several_events_in_one_word_are_one_word():
    edges = word_edges(reading([(0, 0.0), (2, 0.4), (6, 1.0)]), [0, 6], [5, 4])
    assert edges.tolist() == [[0.0, 1.0], [1.0, 2.0]]


def test_a_voice_that_tells_no_words_apart_still_reads_all():
    edges = word_edges(reading([]), [0, 3], [2, 2])
    assert edges.ravel() == pytest.approx([0, 1, 1, 2])


@pytest.mark.parametrize("phone", ["a", "ˈiː", "aɪ", "ɛ̃", "n̩", "ɯᵝ"])  # noqa: RUF001 - IPA
def test_nuclei_of_syllables_are_known(phone):
    assert is_vowel(phone)


@pytest.mark.parametrize("phone", ["", "t", "tʃ", "j", "w", "ˈk", "ŋ"])  # noqa: RUF001 - IPA
def test_other_phones_are_none(phone):
    assert not is_vowel(phone)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=20).map(
        lambda steps: [
            (start, start + length)
            for start, (_, length) in zip(
                np.cumsum([step for step, _ in steps]).tolist(), steps, strict=True
            )
        ]
    )
)
def test_words_are_kept_apart_and_none_loses_all_its_time(spans):
    apart = by_voice._apart(spans)
    assert len(apart) == len(spans)
    for start, end in apart:
        assert start < end
    for (_, end), (start, _) in pairwise(apart):
        assert end <= start
