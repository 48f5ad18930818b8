"""The gate behind every writer of analyses: what it wrote is checked against failing invariants."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from schema.facts.quality import BrokenRule
from schema.states import Severity
from stores.deletion import erasure
from stores.quality import checked_rows, quarantine
from stores.quality.rules.catalogue import INVARIANTS
from tasks.quality.rule_facts import rule_facts

# Rules of one column are left to the daily check: ranges are kept by `schema.documents`, which has
# refused other records, and an engine's analysis has all its scores. So are those that only warn;
# some ask for tables that would cost more than all else.
_CHECKED = tuple(rule for rule in INVARIANTS if rule.severity is Severity.FAIL)
# Of the others the fault may lie in what the app wrote, such as a URL or the recording's duration.
OURS = frozenset(rule.name for rule in _CHECKED if rule.reanalyze)


def set_broken_aside(
    connection: Connection, message_ids: Collection[str], *, as_of: datetime
) -> list[BrokenRule]:
    """Open a case for each failing invariant that a message breaks.

    Args:
        connection: In the transaction that wrote the messages and their analyses.
        message_ids: Those it has written, a few hundred at most.
        as_of: The instant that rules compare with, UTC.

    Returns:
        The cases of rules about what the analysis itself wrote: only those are the writer's fault.
    """
    broken = checked_rows.broken_among(connection, message_ids, rule_facts(as_of), _CHECKED)
    if broken:
        # Of erased learners nothing was written, and nothing is to be noted.
        erased = erasure.under_tombstone(connection, [case.message_id for case in broken])
        broken = [case for case in broken if case.message_id not in erased]
        quarantine.set_aside(connection, broken)
    return [case for case in broken if case.rule in OURS]
