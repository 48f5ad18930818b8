import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.score_changes import by_language, compare
from schema.facts.backfill import Rescored

scores = st.integers(0, 100)


def rescored(before, after, language="en", messages=1):
    """Draw both scores of some messages."""
    return [Rescored(language, score, before, after, messages) for score in ("accuracy", "fluency")]


def compared(*groups):
    return compare([one for group in groups for one in group])


def test_a_comparison_shows_means_shifts_and_order():
    found = compared(*(rescored(before, before + 4) for before in (10, 20, 40, 90)))
    assert found.accuracy.messages == 4
    assert (found.accuracy.mean_before, found.accuracy.mean_after) == (40, 44)
    assert (found.accuracy.mean_shift, found.accuracy.median_shift) == (4, 4)
    assert (found.accuracy.lowest_decile, found.accuracy.highest_decile) == (4, 4)
    assert found.accuracy.rank_correlation == pytest.approx(1)
    turned = compared(rescored(1, 9), rescored(2, 8), rescored(3, 7))
    assert turned.fluency.rank_correlation == pytest.approx(-1)


def test_groups_count_by_their_number_of_messages():
    counted = compared(rescored(10, 20, messages=3), rescored(50, 40), rescored(0, 100))
    spelled_out = compared(*[rescored(10, 20)] * 3, rescored(50, 40), rescored(0, 100))
    assert counted == spelled_out
    assert counted.accuracy.messages == 5


def test_too_few_or_equal_scores_have_no_correlation():
    assert compare([]) is None
    assert compared(rescored(1, 2), rescored(2, 3)).accuracy.rank_correlation is None
    assert compared(rescored(5, 7, messages=5)).accuracy.rank_correlation is None


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=30))
def test_a_comparison_turned_round_shifts_the_other_way(pairs):
    there = compared(*(rescored(a, b) for a, b in pairs)).accuracy
    back = compared(*(rescored(b, a) for a, b in pairs)).accuracy
    assert there.mean_shift == pytest.approx(-back.mean_shift)
    assert there.lowest_decile == pytest.approx(-back.highest_decile)
    assert there.rank_correlation == pytest.approx(back.rank_correlation)


def test_each_language_is_compared_alone():
    found = by_language([*rescored(10, 20), *rescored(30, 20, "ja"), *rescored(20, 30)])
    assert {name: one.accuracy.mean_shift for name, one in found.items()} == {"en": 10, "ja": -10}
