"""What to do with a message whose analysis failed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.leases import (
    BACKOFF_BASE,
    BACKOFF_CAP,
    CLIP_CPU_LIMIT_BASE,
    CLIP_CPU_LIMIT_CAP,
    MAX_CRASHES,
    PERMANENT_CAUSES,
    PROCESS_CPU_LIMIT,
    Fail,
    Quarantine,
    Retry,
    backoff,
    clip_cpu_limit,
    failure_decision,
)
from schema.states import FailureCause

WAITING = {FailureCause.DECODER_MISSING, FailureCause.STARVED}
SPECIAL = {FailureCause.CRASHED, *WAITING}
TRANSIENT = sorted(set(FailureCause) - PERMANENT_CAUSES - SPECIAL)
REASON = "The bucket did not answer."

counts = st.integers(0, 10_000)
jitters = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(sorted(PERMANENT_CAUSES)), counts, counts, st.integers(1, 100), jitters)
def test_a_permanent_failure_fails_at_once(cause, attempts, crashes, max_attempts, jitter):
    verdict = failure_decision(
        cause, REASON, attempts=attempts, crashes=crashes, max_attempts=max_attempts, jitter=jitter
    )
    assert verdict == Fail(REASON)


@given(st.sampled_from(TRANSIENT), counts, counts, st.integers(1, 100), jitters)
def test_a_transient_failure_is_tried_max_attempts_times(
    cause, attempts, crashes, max_attempts, jitter
):
    verdict = failure_decision(
        cause, REASON, attempts=attempts, crashes=crashes, max_attempts=max_attempts, jitter=jitter
    )
    assert isinstance(verdict, Retry if attempts + 1 < max_attempts else Fail)


@given(counts, counts, st.integers(1, 100), jitters)
def test_crashes_are_counted_apart_and_the_third_quarantines(
    attempts, crashes, max_attempts, jitter
):
    verdict = failure_decision(
        FailureCause.CRASHED,
        REASON,
        attempts=attempts,
        crashes=crashes,
        max_attempts=max_attempts,
        jitter=jitter,
    )
    assert isinstance(verdict, Retry if crashes + 1 < MAX_CRASHES else Quarantine)


def test_a_message_that_always_crashes_is_analysed_three_times():
    verdicts = [
        failure_decision(
            FailureCause.CRASHED, REASON, attempts=0, crashes=crashes, max_attempts=5, jitter=0.5
        )
        for crashes in range(3)
    ]
    assert [type(verdict) for verdict in verdicts] == [Retry, Retry, Quarantine]


@given(counts, counts, st.integers(1, 100), jitters)
def test_a_message_waits_for_a_missing_decoder_without_counting_attempts(
    attempts, crashes, max_attempts, jitter
):
    verdict = failure_decision(
        FailureCause.DECODER_MISSING,
        REASON,
        attempts=attempts,
        crashes=crashes,
        max_attempts=max_attempts,
        jitter=jitter,
    )
    assert verdict == Retry(BACKOFF_CAP, attempts, crashes)


def test_a_backfill_does_not_wait_for_a_missing_decoder():
    verdict = failure_decision(
        FailureCause.DECODER_MISSING,
        REASON,
        attempts=0,
        crashes=0,
        max_attempts=5,
        jitter=0.0,
        may_wait=False,
    )
    assert verdict == Fail(REASON)


@given(counts, counts, st.integers(1, 100), jitters, st.booleans())
def test_a_starved_machine_is_charged_to_no_message(
    attempts, crashes, max_attempts, jitter, may_wait
):
    verdict = failure_decision(
        FailureCause.STARVED,
        REASON,
        attempts=attempts,
        crashes=crashes,
        max_attempts=max_attempts,
        jitter=jitter,
        may_wait=may_wait,
    )
    assert isinstance(verdict, Retry)
    assert (verdict.attempts, verdict.crashes) == (attempts, crashes)


@given(
    st.sampled_from([*TRANSIENT, FailureCause.CRASHED]),
    st.integers(0, 3),
    st.integers(0, 1),
    jitters,
)
def test_each_try_counts_once(cause, attempts, crashes, jitter):
    verdict = failure_decision(
        cause, REASON, attempts=attempts, crashes=crashes, max_attempts=5, jitter=jitter
    )
    if isinstance(verdict, Retry):
        assert verdict.attempts + verdict.crashes == attempts + crashes + 1


@pytest.mark.parametrize("cause", sorted({*FailureCause} - WAITING))
def test_the_last_decision_gives_its_reason(cause):
    verdict = failure_decision(cause, REASON, attempts=4, crashes=2, max_attempts=5, jitter=0.0)
    assert REASON in verdict.error


def test_giving_up_says_after_how_many_tries():
    verdict = failure_decision(
        FailureCause.STORAGE_UNAVAILABLE, REASON, attempts=4, crashes=0, max_attempts=5, jitter=0.0
    )
    assert "after 5 attempts" in verdict.error
    assert "bucket" in verdict.error


@given(counts, jitters)
def test_a_delay_stays_below_its_doubling_ceiling_and_the_cap(failures, jitter):
    ceiling = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(failures, 20))
    assert timedelta(0) <= backoff(failures, jitter=jitter) <= ceiling


@given(counts, counts, jitters)
def test_at_the_same_jitter_more_failures_never_wait_less(one, other, jitter):
    fewer, more = sorted((one, other))
    assert backoff(fewer, jitter=jitter) <= backoff(more, jitter=jitter)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 150), (1, 300), (2, 600), (3, 1200), (4, 1800), (1000, 1800)]
)
def test_half_the_jitter_waits_half_the_ceiling(failures, seconds):
    assert backoff(failures, jitter=0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize("jitter", [-0.1, 1.0, float("nan")])
def test_a_jitter_outside_its_range_is_refused(jitter):
    with pytest.raises(ValueError, match="jitter"):
        backoff(0, jitter=jitter)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_limit_of_processor_time_grows_with_the_object(one, other):
    smaller, larger = sorted((one, other))
    assert CLIP_CPU_LIMIT_BASE <= clip_cpu_limit(smaller) <= clip_cpu_limit(larger)
    assert clip_cpu_limit(larger) <= CLIP_CPU_LIMIT_CAP < PROCESS_CPU_LIMIT


def test_five_seconds_of_raw_pcm_have_ten_seconds_and_three_times_a_minute():
    assert clip_cpu_limit(240_000) == timedelta(seconds=190)
