import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.backfill import (
    MOST_STARTED_IN_VAIN,
    PROMISED_TIMES_REAL_TIME,
    STUCK_AFTER,
    BackfillState,
    Finish,
    GiveUp,
    StartChildren,
    Wait,
    check_request,
    contradicts,
    estimate,
    fingerprint,
    next_step,
    normalised,
    objection,
)
from policy.costs import PriceBookName, prices_of
from policy.score_changes import compare
from schema.errors.base import ParametersRefused
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import (
    BackfillPlan,
    BackfillProgress,
    BackfillRequest,
    Rescored,
    SelectedGroup,
)
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection

RELEASE = EngineRelease("kaiwa", "2.0", "en-new")
REQUEST = BackfillRequest(BackfillSelection.OUTDATED, end=datetime(2025, 11, 1, tzinfo=UTC))
GB = 1024**3
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def rescored(before, after, language="en", messages=1):
    """Draw both scores of some messages."""
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
    first = fingerprint(REQUEST, [RELEASE], "better")
    assert fingerprint(replace(REQUEST), [replace(RELEASE)], "better") == first
    others = [
        fingerprint(replace(REQUEST, limit=5), [RELEASE], "better"),
        fingerprint(replace(REQUEST, end=None), [RELEASE], "better"),
        fingerprint(REQUEST, [replace(RELEASE, version="2.1")], "better"),
        fingerprint(REQUEST, [RELEASE], "much better"),
    ]
    assert len({first, *others}) == 5


def test_an_equivalent_request_is_the_same():
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
    assert fingerprint(normalised(one), [RELEASE], "r") == fingerprint(other, [RELEASE], "r")


def test_an_estimate_follows_pace_and_cores():
    found = estimate(
        plan(),
        engine=AnalysisEngine.KAIWA,
        limit=None,
        cores=4,
        times_real_time=120,
        prices=prices_of(PriceBookName.S3),
    )
    assert (found.messages, found.audio_hours, found.is_measured) == (1000, 60, True)
    assert found.cpu_hours == pytest.approx(0.5)
    assert found.wall_hours == pytest.approx(0.125)
    assert found.cpu_usd == pytest.approx(0.025)
    assert found.reading_usd == pytest.approx(0.0004 + 0.09)


def test_a_limit_takes_its_share_and_an_unknown_pace_is_the_promised_one():
    found = estimate(
        plan(),
        engine=AnalysisEngine.KAIWA,
        limit=250,
        cores=1,
        times_real_time=None,
        prices=prices_of(),
    )
    assert (found.messages, found.audio_hours, found.is_measured) == (250, 15, False)
    assert found.cpu_hours == 15 / PROMISED_TIMES_REAL_TIME[AnalysisEngine.KAIWA]


def test_nothing_to_do_costs_nothing():
    found = estimate(
        plan(0, 0, 0),
        engine=AnalysisEngine.KAIWA,
        limit=9,
        cores=1,
        times_real_time=None,
        prices=prices_of(),
    )
    assert (found.messages, found.cpu_hours, found.reading_usd) == (0, 0, 0)


@pytest.mark.parametrize(
    ("shift", "failed", "expected"),
    [
        (5, 0, None),
        (-5, 0, None),
        (6, 0, "mean accuracy moved by +6.0 points"),
        (-6, 0, "mean accuracy moved by -6.0 points"),
        (0, 20, None),
        (0, 23, "23 of the first sample's 223 messages"),
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
    assert "1 of the first sample's" in objection(None, sample(), 0, 1, max_mean_shift=100)


def test_a_person_is_asked_when_analyses_break_rules():
    found = objection(None, sample(), 1, max_mean_shift=100)
    assert found.startswith("1 of the first sample's 200 analyses breaks rules")


MOMENT = timedelta(microseconds=1)
STATE = BackfillState(open=10, places=3, free=())


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        ({}, Wait()),
        ({"free": (0, 1, 2)}, StartChildren((0, 1, 2))),  # at the beginning
        ({"free": (1,)}, StartChildren((1,))),
        ({"open": 0}, Finish()),
        ({"open": 0, "free": (0, 1, 2)}, Finish()),
        ({"stopped": True}, Wait()),  # its children finish their chunks
        ({"stopped": True, "free": (1,)}, Finish()),
        ({"idle": STUCK_AFTER}, Wait()),
        ({"idle": STUCK_AFTER + MOMENT}, StartChildren((0, 1, 2))),
        ({"idle": STUCK_AFTER + MOMENT, "free": (1,)}, StartChildren((0, 1, 2))),
        ({"idle": STUCK_AFTER + MOMENT, "stopped": True}, Finish()),
        ({"free": (1,), "started_in_vain": 8}, StartChildren((1,))),
        ({"free": (1,), "started_in_vain": 9}, GiveUp()),
        ({"started_in_vain": 9}, Wait()),  # the last ones are still running
        ({"idle": STUCK_AFTER + MOMENT, "started_in_vain": 9}, GiveUp()),
        ({"free": (1,), "started_in_vain": 9, "stopped": True}, Finish()),
    ],
)
def test_the_next_step_of_a_backfill(facts, step):
    assert next_step(replace(STATE, **facts)) == step


states = st.integers(1, 64).flatmap(
    lambda places: st.builds(
        BackfillState,
        open=st.integers(0, 3),
        places=st.just(places),
        free=st.sets(st.integers(0, places - 1)).map(lambda free: tuple(sorted(free))),
        idle=st.timedeltas(timedelta(0), 2 * STUCK_AFTER),
        started_in_vain=st.integers(0, 2 * MOST_STARTED_IN_VAIN * places),
        stopped=st.booleans(),
    )
)


@given(states)
def test_children_are_started_only_where_there_is_work_and_a_place(state):
    step = next_step(state)
    if isinstance(step, StartChildren):
        assert state.open
        assert not state.stopped
        assert step.places
        assert set(state.free) <= set(step.places) <= set(range(state.places))


@given(states)
def test_a_child_that_works_is_left_alone_while_messages_get_done(state):
    step = next_step(replace(state, idle=timedelta(0)))
    if isinstance(step, StartChildren):
        assert step.places == state.free


@given(states)
def test_a_backfill_is_given_up_only_after_every_place_was_tried_often(state):
    if isinstance(next_step(state), GiveUp):
        assert state.open
        assert not state.stopped
        assert state.started_in_vain >= MOST_STARTED_IN_VAIN * state.places


@given(st.integers(1, 64), st.integers(1, 10))
def test_a_backfill_whose_children_all_end_at_once_is_given_up(places, still_open):
    started, step = 0, None
    for _ in range(MOST_STARTED_IN_VAIN + 1):
        state = BackfillState(
            still_open, places, free=tuple(range(places)), started_in_vain=started
        )
        step = next_step(state)
        if isinstance(step, StartChildren):
            started += len(step.places)
    assert step == GiveUp()
    assert started == MOST_STARTED_IN_VAIN * places


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"start": NOON, "end": NOON}, "`start` must be before `end`"),
        ({"start": NOON, "end": NOON - timedelta(hours=1)}, "`start` must be before `end`"),
        ({"start": NOON}, "`start` is in the future"),
        ({"start": NOON, "end": NOON + timedelta(hours=1)}, "`start` is in the future"),
        ({"languages": ("jp",)}, "`languages` has unknown codes: 'jp'"),
        ({"languages": ("ja", "de")}, "No engine analyses ja, de. Choose from en"),
        ({"conversation_ids": ("c", "c\0")}, "One of `conversation_ids` contains NUL characters"),
        (
            {"conversation_ids": ("c\ud800",)},
            "One of `conversation_ids` contains NUL .* surrogates",
        ),
        ({"conversation_ids": (" ",)}, "One of `conversation_ids` is blank"),
    ],
)
def test_a_request_that_can_select_nothing_is_refused(changes, problem):
    request = BackfillRequest(BackfillSelection.ALL, **changes)
    with pytest.raises(ParametersRefused, match=problem):
        check_request(request, as_of=NOON, languages=["en"])


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("start", "0001-01-01T00:00:00+05:00"),
        ("end", "0001-01-01T00:00:00+05:00"),
        ("end", "9999-12-31T23:59:59-05:00"),
    ],
)
def test_a_time_that_utc_does_not_have_is_refused(name, time):
    request = BackfillRequest(BackfillSelection.ALL, **{name: datetime.fromisoformat(time)})
    with pytest.raises(ParametersRefused, match=f"`{name}` is {re.escape(time)}, which is outside"):
        normalised(request)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"start": NOON - timedelta(microseconds=1)},
        {"end": NOON + timedelta(days=1)},
        {"languages": ("ja", "en")},
    ],
)
def test_a_request_that_may_select_something_passes(changes):
    check_request(BackfillRequest(BackfillSelection.ALL, **changes), as_of=NOON, languages=["en"])


def test_only_another_selection_contradicts_a_backfill():
    stored = BackfillRequest(BackfillSelection.ALL, start=NOON, newest_first=False, canary_size=7)
    assert not contradicts(BackfillRequest(BackfillSelection.OUTDATED), stored)
    assert not contradicts(BackfillRequest(BackfillSelection.ALL, start=NOON), stored)
    assert contradicts(BackfillRequest(BackfillSelection.ALL), stored)
    assert contradicts(BackfillRequest(BackfillSelection.OUTDATED, limit=1), stored)
