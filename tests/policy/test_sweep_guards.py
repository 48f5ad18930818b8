"""Guards of a sweep: overdue audio, too many deletions, the wrong bucket."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.sweep import FAULTS, OVERDUE_AFTER, Fate, Judgement, is_convincing, is_overdue, runaway
from schema.facts.deletion import SweepPlan
from schema.states import UserTier
from tests.support.judged_recordings import DAY, RULES, TICK, recorded


def planned(objects, live):
    return SweepPlan(
        live=live,
        due=Counter({UserTier.FREE: objects}),
        due_bytes=Counter(),
        orphans=0,
        orphan_bytes=0,
        kept=Counter(),
        without_expiry=0,
        oldest_due_at=None,
        overdue=0,
        digest="",
        sample=(),
    )


@pytest.mark.parametrize(
    ("fate", "expires_at", "overdue"),
    [
        (Fate.DELETE, RULES.newest_expiry - OVERDUE_AFTER, True),
        (Fate.DELETE, RULES.newest_expiry - OVERDUE_AFTER + TICK, False),
        (Fate.DELETE, None, False),
        *((fault, RULES.newest_expiry - 4 * DAY, True) for fault in sorted(FAULTS)),
        *(
            (kept, RULES.newest_expiry - 4 * DAY, False)
            for kept in (Fate.KEEP, Fate.EXTEND, Fate.HELD)
        ),
    ],
)
def test_audio_is_overdue_three_days_after_it_should_have_gone(fate, expires_at, overdue):
    assert is_overdue(Judgement(recorded(), fate, UserTier.FREE, expires_at), RULES) is overdue


@pytest.mark.parametrize(
    ("objects", "live", "max_objects", "max_share_percent", "runs_away"),
    [
        (20, 100, None, 20.0, False),  # exactly the allowed share
        (21, 100, None, 20.0, True),
        (1, 3, None, 33.3, True),
        (100, 100, None, 100.0, False),
        (0, 0, None, 20.0, False),
        (0, 0, 0, 0.0, False),
        (1, 0, None, 100.0, True),  # more than all live recordings
        (1, 1000, None, 0.0, True),
        (10, 1000, 10, 20.0, False),  # exactly the allowed number
        (11, 1000, 10, 20.0, True),
        (1, 1000, 0, 20.0, True),
    ],
)
def test_a_sweep_runs_away_above_the_share_or_the_number(
    objects, live, max_objects, max_share_percent, runs_away
):
    reason = runaway(
        planned(objects, live), max_objects=max_objects, max_share_percent=max_share_percent
    )
    assert (reason is not None) is runs_away
    assert reason is None or f"{objects:,}" in reason


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0, 100))
def test_more_objects_never_run_away_less(objects, more, share):
    def asks(count):
        return runaway(planned(count, 10**7), max_objects=None, max_share_percent=share)

    if asks(objects):
        assert asks(objects + more)


@pytest.mark.parametrize(
    ("found", "sampled", "convincing"),
    [(0, 0, False), (0, 1, False), (1, 1, True), (1, 2, True), (1, 3, False), (10, 20, True)],
)
def test_half_of_a_sample_convinces(found, sampled, convincing):
    assert is_convincing(found, sampled) is convincing
