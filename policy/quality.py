"""Tolerances of data quality rules, and validation of a check's window."""

from datetime import datetime

from policy.instants import fits_utc
from schema.errors.reporting import UnclearWindow
from schema.states import CheckScope

FAIL_ABOVE_PERCENT = 1.0
URL_EXPIRY_TOLERANCE_SECONDS = 60
STALE_LEASE_SECONDS = 3600  # expired leases are normally taken over within minutes
DOCUMENT_TOLERANCE_MS = 100  # codecs pad, engines round to frames
PCM_TOLERANCE_MS = 50
RETENTION_TOLERANCE_SECONDS = 1  # the app and the database round timestamps


def too_many_failing(failing: int, checked: int, fail_above_percent: float) -> bool:
    """Decide whether so many messages break a failing rule that the check must fail."""
    return 100 * failing > fail_above_percent * checked


def check_window(
    scope: CheckScope, since: datetime | None, until: datetime | None, *, as_of: datetime
) -> None:
    """Check that the window fits the scope.

    Raises:
        UnclearWindow: If it contradicts the scope or itself; the error says what to change.
    """
    problem = _window_problem(scope, since, until, as_of)
    if problem is not None:
        raise UnclearWindow(problem)


def _window_problem(
    scope: CheckScope, since: datetime | None, until: datetime | None, as_of: datetime
) -> str | None:
    instants = [instant for instant in (since, until) if instant is not None]
    if any(instant.utcoffset() is None for instant in instants):
        return "`since` and `until` need a time zone; write them like 2026-01-31T00:00:00Z."
    if not all(map(fits_utc, instants)):
        return "`since` and `until` must lie in the years 1 to 9999 in UTC."
    if scope is CheckScope.EVERYTHING and (since or until):
        return "`since` and `until` cannot be used with the scope `everything`."
    if scope is CheckScope.CHANGED and until:
        return "`until` can only be used with the scope `window`."
    if scope is CheckScope.WINDOW and since is None:
        return "The scope `window` needs `since`."
    if since is not None and since >= min(until or as_of, as_of):
        return "`since` must be before `until`, and in the past."
    return None
