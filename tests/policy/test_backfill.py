from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.backfill import (
    PROMISED_TIMES_REAL_TIME,
    by_language,
    compare,
    estimate,
    fingerprint,
    normalised,
    objection,
)
from policy.costs import PriceBookName, prices_of
from schema.facts.backfill import (
    BackfillPlan,
    BackfillProgress,
    BackfillRequest,
    EngineRelease,
    Rescored,
    SelectedGroup,
)
from schema.states import BackfillOutcome, BackfillSelection

RELEASE = EngineRelease("kaiwa", "2.0", "en-new")
REQUEST = BackfillRequest(BackfillSelection.OUTDATED, end=datetime(2025, 11, 1, tzinfo=UTC))
GB = 1024**3
scores = st.integers(0, 100)


def rescored(before, after, language="en", messages=1):
    """Both scores of some messages."""
    return [Rescored(language, score, before, after, messages) for score in ("accuracy", "fluency")]


def compared(*groups):
    return compare([one for group in groups for one in group])


def plan(messages=1000, hours=60, size_bytes=GB):
    group = SelectedGroup("en", "kaiwa 1.0", messages, 3600.0 * hours, size_bytes)
    return BackfillPlan((group,), gone=0, newer=0, done=0, unknown_languages={})


def sample(analyzed=200, failed=0, quarantined=0):
    counts = {
        BackfillOutcome.ANALYZED: analyzed,
        BackfillOutcome.FAILED: failed,
        BackfillOutcome.QUARANTINED: quarantined,
    }
    return BackfillProgress(200, Counter(counts))


def test_the_same_backfill_has_the_same_fingerprint_and_no_other():
    first = fingerprint(REQUEST, RELEASE, "better")
    assert fingerprint(replace(REQUEST), replace(RELEASE), "better") == first
    others = [
        fingerprint(replace(REQUEST, limit=5), RELEASE, "better"),
        fingerprint(replace(REQUEST, end=None), RELEASE, "better"),
        fingerprint(REQUEST, replace(RELEASE, version="2.1"), "better"),
        fingerprint(REQUEST, RELEASE, "much better"),
    ]
    assert len({first, *others}) == 5


def test_a_request_said_in_another_way_is_the_same():
    tokyo = timezone(timedelta(hours=9))
    one = BackfillRequest(
        BackfillSelection.ALL, start=datetime(2025, 11, 1, 9, tzinfo=tokyo),
        languages=("ja", "en-US", "EN"), conversation_ids=("b", "a", "b"),
    )  # fmt: skip
    other = BackfillRequest(
        BackfillSelection.ALL, start=datetime(2025, 11, 1, tzinfo=UTC),
        languages=("en", "ja"), conversation_ids=("a", "b"),
    )  # fmt: skip
    assert normalised(one) == other == normalised(other)
    assert fingerprint(normalised(one), RELEASE, "r") == fingerprint(other, RELEASE, "r")


def test_an_estimate_follows_pace_and_cores():
    found = estimate(
        plan(), limit=None, cores=4, times_real_time=120, prices=prices_of(PriceBookName.S3)
    )
    assert (found.messages, found.audio_hours, found.is_measured) == (1000, 60, True)
    assert found.cpu_hours == pytest.approx(0.5)
    assert found.wall_hours == pytest.approx(0.125)
    assert found.cpu_usd == pytest.approx(0.025)
    assert found.reading_usd == pytest.approx(0.0004 + 0.09)


def test_a_limit_takes_its_share_and_an_unknown_pace_is_the_promised_one():
    found = estimate(plan(), limit=250, cores=1, times_real_time=None, prices=prices_of())
    assert (found.messages, found.audio_hours, found.is_measured) == (250, 15, False)
    assert found.cpu_hours == 15 / PROMISED_TIMES_REAL_TIME


def test_nothing_to_do_costs_nothing():
    found = estimate(plan(0, 0, 0), limit=9, cores=1, times_real_time=None, prices=prices_of())
    assert (found.messages, found.cpu_hours, found.reading_usd) == (0, 0, 0)


def test_a_comparison_tells_means_shifts_and_order():
    found = compared(*(rescored(before, before + 4) for before in (10, 20, 40, 90)))
    assert found.accuracy.messages == 4
    assert (found.accuracy.mean_before, found.accuracy.mean_after) == (40, 44)
    assert (found.accuracy.mean_shift, found.accuracy.median_shift) == (4, 4)
    assert (found.accuracy.lowest_decile, found.accuracy.highest_decile) == (4, 4)
    assert found.accuracy.rank_correlation == pytest.approx(1)
    turned = compared(rescored(1, 9), rescored(2, 8), rescored(3, 7))
    assert turned.fluency.rank_correlation == pytest.approx(-1)


def test_so_many_messages_count_so_many_times():
    counted = compared(rescored(10, 20, messages=3), rescored(50, 40), rescored(0, 100))
    spelled_out = compared(*[rescored(10, 20)] * 3, rescored(50, 40), rescored(0, 100))
    assert counted == spelled_out
    assert counted.accuracy.messages == 5


def test_what_is_too_little_or_all_the_same_has_no_correlation():
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


@pytest.mark.parametrize(
    ("shift", "failed", "expected"),
    [
        (5, 0, None),
        (-5, 0, None),
        (6, 0, "mean accuracy moved by +6.0 points"),
        (-6, 0, "mean accuracy moved by -6.0 points"),
        (0, 20, None),
        (0, 23, "23 of the 223 messages"),
    ],
)
def test_a_person_is_asked_when_scores_move_or_analyses_fail(shift, failed, expected):
    comparison = compared(rescored(50, 50 + shift, messages=200))
    found = objection(comparison, sample(failed=failed), 0, max_mean_shift=5)
    assert (found is None) if expected is None else (expected in found)


def test_fluency_counts_as_much_as_accuracy_and_crashes_as_failures():
    comparison = compare(
        [Rescored("en", "accuracy", 50, 50, 9), Rescored("en", "fluency", 50, 60, 9)]
    )
    assert "mean fluency" in objection(comparison, sample(), 0, max_mean_shift=5)
    assert "40 of" in objection(None, sample(quarantined=40), 0, max_mean_shift=5)
    assert objection(None, sample(), 0, max_mean_shift=5) is None


def test_a_person_is_asked_when_analyses_break_rules():
    found = objection(None, sample(), 1, max_mean_shift=100)
    assert found.startswith("1 of the 200 analyses of the first sample break rules")
