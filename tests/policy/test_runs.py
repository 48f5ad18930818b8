"""How a run is divided into chunks, and when it must fail."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.runs import (
    MAX_TASK_RUNS,
    MESSAGES_TO_JUDGE,
    SYSTEM_CAUSES,
    merged_chunks,
    too_many_failures,
)
from schema.facts.analysis import AnalysisReport, QueuePosition, WaitingChunk
from schema.states import FailureCause

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


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


@given(st.lists(st.integers(1, 500), max_size=5_000))
def test_chunks_hold_every_message_and_are_never_too_many(sizes):
    chunks = [
        WaitingChunk(QueuePosition(NOON, str(number)), size) for number, size in enumerate(sizes)
    ]
    joined = merged_chunks(chunks)
    assert sum(chunk.size for chunk in joined) == sum(sizes)
    assert len(joined) <= MAX_TASK_RUNS
    assert joined == chunks or len(chunks) > MAX_TASK_RUNS
    assert [chunk.start for chunk in joined[:1]] == [chunk.start for chunk in chunks[:1]]
