"""Checks of data quality: when they began, what they looked at, and how each rule fared."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from schema.facts.quality import RowScope, RuleResult
from schema.states import CheckScope, Severity

# Transactions that still run have numbers from the snapshot's lower end on: what they write is for
# the next check, even if this one sees it.
_BEGIN = text("""
INSERT INTO audio_ops.quality_check (scope, since, until, first_xid)
VALUES (
    :scope, :since, :until, CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
)
RETURNING id
""")

# Only what was finished counts. Numbers of transactions can be compared while fewer than 2^31 lie
# between them, and only in the cluster that gave them: in a restored copy the check's own row was
# written by a transaction that has nothing to do with what the row says (docs/adr/0065).
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
    checked: int  # messages
    failing: int
    results: dict[str, RuleResult]  # by rule; examples are not kept


def begin(
    connection: Connection,
    scope: CheckScope,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[int, RowScope]:
    """Note that a check begins; commit before any row is looked at.

    Args:
        connection: In a transaction.
        scope: Which messages; of those that have changed, all if nobody can say which.
        since: Beginning of a window (UTC). Of what has changed: since the last check that had
            begun by then; None: since the last one.
        until: End of a window, exclusive, UTC.

    Returns:
        The check's id, and its rows.
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
    """Write how a check ended; from now on it counts for later ones.

    Args:
        connection: In a transaction; safe to repeat in another one.
        check_id: As `begin` gave it.
        checked: Messages looked at.
        failing: Of these, messages that break a rule of severity FAIL.
        results: One for each rule.
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
        limit: Checks at most.
        before: Only those with a smaller id; None: all.
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
