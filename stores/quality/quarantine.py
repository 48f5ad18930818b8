"""Messages set aside because they break a rule: cases are opened, and closed when it holds again.

Nothing else of a message is changed here: a check never repairs. Functions that take no cases work
on the temporary tables of `checked_rows.create`, so that it does not matter how many are broken.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, text

from schema.facts.quality import BrokenRule
from stores.quality import checked_rows
from stores.quality.rules import analysis_rows, message_rows

EXAMPLES = 5
CRASH_RULE = "analysis_crash"  # of no check: the message killed its workers

# Messages that are gone meanwhile would break the foreign key; the others stay until our end.
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

_ADD = text(
    "INSERT INTO broken (message_id, rule, observed) VALUES (:message_id, :rule, :observed)"
)

# Whoever has written the message since it was looked at left another `xmin`, and whoever writes it
# now holds its lock: what holds of it then is for the next check to say.
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
    """Set messages aside; a case that is open stays as it is, and what is deleted is passed over.

    Args:
        connection: In a transaction; it locks the messages against deletion until its end.
        cases: What was observed is for people, and never the learner's words.
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


def collect_invariants(connection: Connection) -> None:
    """Add to `broken` what breaks the rules across columns and tables."""
    for table, rules in (
        (checked_rows.MESSAGE_TABLE, message_rows.RULES),
        (checked_rows.ANALYSIS_TABLE, analysis_rows.RULES),
    ):
        rows = checked_rows.one_row_each(table, rules)
        connection.execute(text(f"INSERT INTO broken (message_id, rule, observed) {rows}"))


def collect(connection: Connection, broken: Iterable[BrokenRule]) -> None:
    """Add to `broken` what was seen elsewhere, such as in the bucket."""
    rows = [
        {"message_id": case.message_id, "rule": case.rule, "observed": case.observed}
        for case in broken
    ]
    if rows:
        connection.execute(_ADD, rows)


def open_cases(connection: Connection, rules: Collection[str]) -> int:
    """Open a case for each message in `broken` that breaks one of these rules; return how many.

    A case that is open already stays as it is. Messages deleted meanwhile are passed over; the
    others are locked against deletion, in the order of ids, until the transaction ends.
    """
    connection.execute(checked_rows.LONG)
    return connection.execute(_OPEN_BROKEN, {"rules": list(rules)}).rowcount


def release(connection: Connection, rules: Collection[str]) -> int:
    """Close the open cases of rules that hold again, and of crashes now analysed; return how many.

    Args:
        connection: In a transaction; it locks the messages until its end.
        rules: Those that were checked for every message: a rule holds of a message that was
            checked, is not in `broken`, and has not been written since.
    """
    connection.execute(checked_rows.LONG)
    return connection.execute(_RELEASE, {"rules": list(rules), "crash_rule": CRASH_RULE}).rowcount


def failing(connection: Connection, rules: Collection[str]) -> int:
    """Count the messages in `broken` that break one of these rules, but for those known before."""
    return int(connection.execute(_FAILING, {"rules": list(rules)}).scalar_one())


def counts_and_examples(connection: Connection) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Count what is in `broken` by rule, with ids of at most five messages; none: no entry."""
    rows = connection.execute(_COUNTS)
    return {row.rule: (row.broken, tuple(row.examples)) for row in rows}
