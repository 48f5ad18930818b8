"""Checks of data quality: begin, finish and list them, with the results of each rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from schema.facts.quality import RowScope, RuleResult
from schema.states import CheckScope, Severity

# Transactions still running have ids from the snapshot's lower end on; the next check covers what
# they write, even if this one sees it.
_BEGIN = text("""
INSERT INTO audio_ops.quality_check (scope, since, until, first_xid)
VALUES (
    :scope, :since, :until, CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
)
RETURNING id
""")

# Only finished checks count. Transaction ids can be compared if fewer than 2^31 lie between them,
# and only within one cluster: in a restored copy, the check's row was written by a transaction
# unrelated to its `first_xid` (docs/adr/0065).
_CHANGED_SINCE = text("""
SELECT CASE WHEN q.newest - q.first_xid BETWEEN 0 AND 2147483647
        AND age(q.xmin) <= age(CAST(CAST(q.first_xid % 4294967296 AS text) AS xid))
    THEN q.first_xid END
FROM (
    SELECT first_xid, xmin,
        CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS newest
    FROM audio_ops.quality_check
    WHERE finished_at IS NOT NULL AND scope IN ('changed', 'everything')
      AND (CAST(:since AS timestamptz) IS NULL OR started_at <= :since)
    ORDER BY id DESC
    LIMIT 1
) AS q
""")

_FINISH = text("""
UPDATE audio_ops.quality_check
SET finished_at = statement_timestamp(), checked = :checked, failing = :failing
WHERE id = :id
""")
_WRITE_RESULT = text("""
INSERT INTO audio_ops.quality_result (check_id, rule, severity, checked, broken)
VALUES (:id, :rule, :severity, :checked, :broken)
ON CONFLICT (check_id, rule) DO UPDATE
SET severity = excluded.severity, checked = excluded.checked, broken = excluded.broken
""")

_LAST = text("""
SELECT q.id, q.scope, q.started_at, q.checked, q.failing, r.rule, r.severity, r.checked, r.broken
FROM (
    SELECT * FROM audio_ops.quality_check
    WHERE finished_at IS NOT NULL AND (CAST(:before AS bigint) IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
) AS q
LEFT JOIN audio_ops.quality_result AS r ON r.check_id = q.id
ORDER BY q.id, r.rule
""")


@dataclass(frozen=True, slots=True)
class PastCheck:
    """A finished check."""

    check_id: int
    scope: CheckScope
    started_at: datetime
    checked: int  # number of messages
    failing: int
    results: dict[str, RuleResult]  # by rule; examples are not kept


def begin(
    connection: Connection,
    scope: CheckScope,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[int, RowScope]:
    """Record the beginning of a check; commit before reading any rows.

    Args:
        connection: In a transaction.
        scope: Which messages. CHANGED means all if the changed ones cannot be determined.
        since: For WINDOW its beginning, UTC. For CHANGED: since the last check that began by then,
            or since the last check if None.
        until: End of the window, exclusive, UTC.

    Returns:
        The check's id, and the rows to check.
    """
    first_xid = None
    if scope is CheckScope.CHANGED:
        first_xid = connection.execute(_CHANGED_SINCE, {"since": since}).scalar_one_or_none()
    window = RowScope(since=since, until=until) if scope is CheckScope.WINDOW else RowScope()
    check_id = connection.execute(
        _BEGIN, {"scope": scope.value, "since": window.since, "until": window.until}
    ).scalar_one()
    return check_id, window if first_xid is None else RowScope(changed_since_xid=first_xid)


def finish(
    connection: Connection,
    check_id: int,
    *,
    checked: int,
    failing: int,
    results: Iterable[RuleResult],
) -> None:
    """Write the results of a check; from then on, later checks build on it.

    Args:
        connection: In a transaction; may be repeated in another one.
        check_id: As returned by `begin`.
        checked: Number of messages checked.
        failing: How many of them break a rule of severity FAIL.
        results: One per rule.
    """
    rows = [
        {
            "id": check_id,
            "rule": result.rule,
            "severity": result.severity.value,
            "checked": result.checked,
            "broken": result.broken,
        }
        for result in results
    ]
    if rows:
        connection.execute(_WRITE_RESULT, rows)
    connection.execute(_FINISH, {"id": check_id, "checked": checked, "failing": failing})


def last_checks(
    connection: Connection, limit: int, *, before: int | None = None
) -> list[PastCheck]:
    """Return the last finished checks, oldest first.

    Args:
        connection: Any.
        limit: Maximum number of checks.
        before: Only checks with a smaller id.
    """
    checks: dict[int, PastCheck] = {}
    for check_id, scope, started_at, checked, failing, *result in connection.execute(
        _LAST, {"limit": limit, "before": before}
    ):
        past = checks.setdefault(
            check_id, PastCheck(check_id, CheckScope(scope), started_at, checked, failing, {})
        )
        rule, severity, rows, broken = result
        if rule is not None:
            past.results[rule] = RuleResult(rule, Severity(severity), rows, broken)
    return list(checks.values())
