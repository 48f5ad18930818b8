"""The gate behind every writer of analyses: what it has written is asked all failing rules."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from policy.quality import ANALYSIS_INVARIANTS, MESSAGE_INVARIANTS
from schema.quality import BrokenRule
from schema.states import Severity
from stores import checked_rows, erasure, quarantine
from tasks.rule_facts import rule_facts

# Rules of one column cannot be broken here: `schema.documents` has refused such records. Those that
# only warn are left to the daily check; some ask for tables that would cost more than all else.
_RULES = tuple(
    rule.name
    for rule in (MESSAGE_INVARIANTS | ANALYSIS_INVARIANTS).values()
    if rule.severity is Severity.FAIL
)


def set_broken_aside(
    connection: Connection, message_ids: Collection[str], *, as_of: datetime
) -> list[BrokenRule]:
    """Open a case for each failing rule that a message breaks, and return them.

    Args:
        connection: In the transaction that wrote the messages and their analyses.
        message_ids: Those it has written, a few hundred at most.
        as_of: The instant that rules compare with, UTC.
    """
    broken = checked_rows.broken_among(connection, message_ids, rule_facts(as_of), _RULES)
    if broken:
        # Of erased learners nothing was written, and nothing is to be noted.
        erased = erasure.under_tombstone(connection, [case.message_id for case in broken])
        broken = [case for case in broken if case.message_id not in erased]
        quarantine.set_aside(connection, broken)
    return broken
