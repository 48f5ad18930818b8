"""How a run is cut into chunks, and when it must end failed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.runs import (
    MAX_TASK_RUNS,
    MESSAGES_TO_JUDGE,
    SYSTEM_CAUSES,
    chunk_sizes,
    too_many_failures,
)
from schema.reports import AnalysisReport
from schema.states import FailureCause


def report(claimed, **causes):
    counted = Counter({FailureCause[name.upper()]: n for name, n in causes.items()})
    failed = counted.total()
    return AnalysisReport(claimed=claimed, analyzed=claimed - failed, failed=failed, causes=counted)


def test_a_run_without_messages_is_green():
    assert not too_many_failures(AnalysisReport(), allowed_percent=0)


def test_one_silent_clip_in_a_quiet_hour_is_green():
    assert not too_many_failures(report(1, no_speech=1), allowed_percent=20)


@pytest.mark.parametrize("cause", sorted(SYSTEM_CAUSES))
def test_one_failure_of_the_system_in_a_quiet_hour_is_red(cause):
    assert too_many_failures(report(1, **{cause: 1}), allowed_percent=20)


@pytest.mark.parametrize(("silent", "red"), [(4, False), (5, True)])
def test_the_share_is_exceeded_only_above_it(silent, red):
    assert too_many_failures(report(MESSAGES_TO_JUDGE, no_speech=silent), 20) is red


def test_hundred_percent_allows_everything():
    assert not too_many_failures(report(50, crashed=50), allowed_percent=100)


def test_zero_percent_allows_nothing():
    assert too_many_failures(report(1000, undecodable=1), allowed_percent=0)


@given(st.integers(0, 200_000), st.integers(1, 500))
def test_chunks_hold_every_message_and_are_never_too_many(waiting, chunk_size):
    sizes = chunk_sizes(waiting, chunk_size)
    assert sum(sizes) == waiting
    assert len(sizes) <= MAX_TASK_RUNS
    assert all(sizes)
    assert max(sizes, default=0) <= max(chunk_size, -(-waiting // MAX_TASK_RUNS))
