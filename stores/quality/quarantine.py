"""Quarantine: open a case when a message breaks a rule, and close it when the rule passes again.

Checks change nothing else and never repair. Functions that take no cases work on the temporary
tables of `checked_rows.create`, so that any number of messages may be broken.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, text

from schema.facts.quality import BrokenRule
from stores.quality import checked_rows
from stores.quality.rules import analysis_rows, message_rows
from stores.quality.rules.message_rows import READABLE_TIMES
from stores.readable import is_readable

EXAMPLES = 5
CRASH_RULE = "analysis_crash"  # not checked by a query: the message crashed its workers

# Skips deleted messages, which would violate the foreign key, and locks the others.
_OPEN = """
INSERT INTO audio_ops.quarantine (message_id, rule, observed)
SELECT m.id, b.rule, b.observed
FROM {broken} AS b (message_id, rule, observed) JOIN messages AS m ON m.id = b.message_id
ORDER BY m.id
FOR KEY SHARE OF m
ON CONFLICT (message_id, rule) WHERE released_at IS NULL DO NOTHING
"""
_SET_ASIDE = text(
    _OPEN.format(
        broken="""unnest(
    CAST(:message_ids AS text[]), CAST(:rules AS text[]), CAST(:observed AS text[])
)"""
    )
)
_OPEN_BROKEN = text(_OPEN.format(broken="(SELECT * FROM broken WHERE rule = ANY(:rules))"))

# By audio_ops_messages_expiring_idx, from both ends.
_OPEN_UNREADABLE = text(
    _OPEN.format(
        broken=f"""(
    SELECT m.id, '{READABLE_TIMES.name}', {READABLE_TIMES.observed} FROM messages AS m
    WHERE m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL
        AND NOT {is_readable("m.audio_retention_expires_at")}
)"""  # noqa: S608 - ours
    )
)

_ADD = text(
    "INSERT INTO broken (message_id, rule, observed) VALUES (:message_id, :rule, :observed)"
)

# Messages written since the check have another `xmin`, and those being written are locked: both are
# left to the next check.
_RELEASE = text("""
WITH held AS (
    SELECT q.id
    FROM audio_ops.quarantine AS q
    JOIN checked_message AS checked ON checked.message_id = q.message_id
    JOIN messages AS m ON m.id = checked.message_id AND CAST(m.xmin AS text) = checked.version
    WHERE q.released_at IS NULL
      AND CASE WHEN q.rule = :crash_rule THEN checked.audio_processing_state = 'analyzed'
          ELSE q.rule = ANY(:rules) AND NOT EXISTS (
              SELECT FROM broken AS b WHERE b.message_id = q.message_id AND b.rule = q.rule
          ) END
    ORDER BY m.id
    FOR SHARE OF m SKIP LOCKED
)
UPDATE audio_ops.quarantine AS q SET released_at = statement_timestamp()
FROM held WHERE q.id = held.id
""")

_FAILING = text("""
SELECT count(DISTINCT b.message_id)
FROM broken AS b JOIN checked_message AS checked ON checked.message_id = b.message_id
WHERE b.rule = ANY(:rules) AND NOT checked.is_known
""")
_COUNTS = text(f"""
SELECT counted.rule, counted.broken, ARRAY(
    SELECT b.message_id FROM broken AS b WHERE b.rule = counted.rule
    ORDER BY b.message_id LIMIT {EXAMPLES}
) AS examples
FROM (SELECT rule, count(*) AS broken FROM broken GROUP BY rule) AS counted
""")  # noqa: S608 - ours


def set_aside(connection: Connection, cases: Iterable[BrokenRule]) -> None:
    """Put messages into quarantine. Open cases stay unchanged; deleted messages are skipped.

    Args:
        connection: In a transaction; messages stay locked against deletion until it ends.
        cases: Their observed values are for people, and never contain the learner's text.
    """
    rows = list(cases)
    if rows:
        connection.execute(
            _SET_ASIDE,
            {
                "message_ids": [case.message_id for case in rows],
                "rules": [case.rule for case in rows],
                "observed": [case.observed for case in rows],
            },
        )


def set_aside_unreadable(connection: Connection) -> None:
    """Put live recordings into quarantine whose retention expiry is no date."""
    connection.execute(_OPEN_UNREADABLE)


def collect_invariants(connection: Connection) -> None:
    """Add the messages that break rules across columns and tables to `broken`."""
    for table, rules in (
        (checked_rows.MESSAGE_TABLE, message_rows.RULES),
        (checked_rows.ANALYSIS_TABLE, analysis_rows.RULES),
    ):
        rows = checked_rows.one_row_each(table, rules)
        connection.execute(text(f"INSERT INTO broken (message_id, rule, observed) {rows}"))


def collect(connection: Connection, broken: Iterable[BrokenRule]) -> None:
    """Add cases found elsewhere, such as in the bucket, to `broken`."""
    rows = [
        {"message_id": case.message_id, "rule": case.rule, "observed": case.observed}
        for case in broken
    ]
    if rows:
        connection.execute(_ADD, rows)


def open_cases(connection: Connection, rules: Collection[str]) -> int:
    """Open a case for each message in `broken` that breaks one of these rules; return how many.

    Open cases stay unchanged. Messages deleted in the meantime are skipped; the others are locked
    against deletion, in id order, until the transaction ends.
    """
    connection.execute(checked_rows.LONG)
    return connection.execute(_OPEN_BROKEN, {"rules": list(rules)}).rowcount


def release(connection: Connection, rules: Collection[str]) -> int:
    """Close cases whose rule passes again, and crashes of analysed messages; return how many.

    Args:
        connection: In a transaction; the messages stay locked until it ends.
        rules: Rules that were checked for all messages in scope. A rule passes for a message that
            was checked, is not in `broken` and has not been written since.
    """
    connection.execute(checked_rows.LONG)
    return connection.execute(_RELEASE, {"rules": list(rules), "crash_rule": CRASH_RULE}).rowcount


def failing(connection: Connection, rules: Collection[str]) -> int:
    """Count the messages in `broken` that break one of these rules, except known ones."""
    return int(connection.execute(_FAILING, {"rules": list(rules)}).scalar_one())


def counts_and_examples(connection: Connection) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Count `broken` by rule, with up to five message ids; rules without cases are omitted."""
    rows = connection.execute(_COUNTS)
    return {row.rule: (row.broken, tuple(row.examples)) for row in rows}
