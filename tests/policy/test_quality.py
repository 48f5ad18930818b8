"""The threshold of a check, and valid windows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.quality import FAIL_ABOVE_PERCENT, check_window, too_many_failing
from schema.errors.reporting import UnclearWindow
from schema.states import CheckScope

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE_UTC = datetime.fromisoformat("0001-01-01T00:00:00+05:00")
AFTER_UTC = datetime.fromisoformat("9999-12-31T23:59:59-05:00")


@pytest.mark.parametrize(
    ("failing", "checked", "too_many"),
    [(0, 0, False), (0, 100, False), (1, 100, False), (2, 100, True), (1, 1, True)],
)
def test_exactly_the_allowed_share_is_allowed(failing, checked, too_many):
    assert too_many_failing(failing, checked, FAIL_ABOVE_PERCENT) is too_many


@given(checked=st.integers(1, 10**9), failing=st.integers(1, 10**9))
def test_if_none_may_fail_one_is_too_many(checked, failing):
    assert too_many_failing(failing, checked, 0.0)


@pytest.mark.parametrize(
    ("scope", "since", "until"),
    [
        (CheckScope.EVERYTHING, None, None),
        (CheckScope.CHANGED, None, None),
        (CheckScope.CHANGED, NOON - DAY, None),
        (CheckScope.WINDOW, NOON - DAY, None),
        (CheckScope.WINDOW, NOON - 2 * DAY, NOON - DAY),
    ],
)
def test_windows_that_make_sense_pass(scope, since, until):
    check_window(scope, since, until, as_of=NOON)


@pytest.mark.parametrize(
    ("scope", "since", "until", "problem"),
    [
        (CheckScope.EVERYTHING, NOON - DAY, None, "cannot be used with"),
        (CheckScope.CHANGED, None, NOON, "window"),
        (CheckScope.WINDOW, None, NOON, "needs `since`"),
        (CheckScope.WINDOW, NOON + DAY, NOON + 2 * DAY, "in the past"),
        (CheckScope.WINDOW, NOON, NOON, "before"),
        (CheckScope.CHANGED, NOON + DAY, None, "in the past"),
        (CheckScope.WINDOW, datetime(2026, 1, 1), None, "time zone"),  # noqa: DTZ001 - naive on purpose
        (CheckScope.CHANGED, BEFORE_UTC, None, "years 1 to 9999 in UTC"),
        (CheckScope.WINDOW, NOON - DAY, AFTER_UTC, "years 1 to 9999 in UTC"),
    ],
)
def test_windows_that_make_no_sense_are_refused(scope, since, until, problem):
    with pytest.raises(UnclearWindow, match=problem):
        check_window(scope, since, until, as_of=NOON)
