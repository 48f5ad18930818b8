"""The gate after every write of analyses: check what was written against failing invariants."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from schema.facts.quality import BrokenRule
from schema.states import Severity
from stores.deletion import erasure
from stores.quality import checked_rows, quarantine
from stores.quality.rules.catalogue import INVARIANTS
from tasks.quality.rule_facts import rule_facts

# Expectations are left to the daily check: `schema.documents` has already enforced the ranges, and
# an engine's analysis has all its scores. So are warnings: some read tables that would cost more
# than everything else here.
_CHECKED = tuple(rule for rule in INVARIANTS if rule.severity is Severity.FAIL)
# The other rules may fail because of what the app wrote, such as a URL or a duration.
OURS = frozenset(rule.name for rule in _CHECKED if rule.reanalyze)


def quarantine_broken(
    connection: Connection, message_ids: Collection[str], *, as_of: datetime
) -> list[BrokenRule]:
    """Quarantine messages that break a failing invariant, one case for each.

    Args:
        connection: In the transaction that wrote the messages and their analyses.
        message_ids: The messages it has written, a few hundred at most.
        as_of: The time that rules compare with, UTC.

    Returns:
        The cases whose rule is about what the analysis itself wrote.
    """
    broken = checked_rows.broken_among(connection, message_ids, rule_facts(as_of), _CHECKED)
    if broken:
        # Nothing was written for erased learners, so nothing is recorded about them.
        erased = erasure.under_tombstone(connection, [case.message_id for case in broken])
        broken = [case for case in broken if case.message_id not in erased]
        quarantine.set_aside(connection, broken)
    return [case for case in broken if case.rule in OURS]
