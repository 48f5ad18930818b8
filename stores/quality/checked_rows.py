"""The rows that a check looks at, and what each rule across columns and tables makes of them.

`create` reads messages and analyses once each, and keeps what later queries need in temporary
tables of its connection: narrow, so that those queries cost little.
"""

from collections.abc import Collection
from functools import cache

from sqlalchemy import Connection, TextClause, bindparam, text

from schema.facts.quality import BrokenRule, RowScope, RuleFacts
from schema.tables.base import UtcDateTime
from stores.quality.rule_queries import arguments, select_analyses, select_messages
from stores.quality.rules import analysis_rows, message_rows
from stores.quality.rules.kinds import InvariantRule
from stores.quality.rules.message_rows import PRONUNCIATION_SCORE

# Statements on all messages, not on the few rows of others; until the transaction ends.
LONG = text("SET LOCAL statement_timeout = '2h'")
# The transaction may wait for the bucket meanwhile; it locks nothing but temporary tables.
_PATIENT = text("SET LOCAL idle_in_transaction_session_timeout = '2h'")
# The planner expects a hundred words of each analysis, all of them wrong, and would rather not have
# them passed from process to process; there are hardly any.
_SHARE_WORK = text("SET LOCAL parallel_tuple_cost = 0")

MESSAGE_TABLE = "checked_message"
ANALYSIS_TABLE = "checked_analysis"

# Plain columns that rules of one column ask for. `version` is the transaction that wrote the row.
_MESSAGE_COLUMNS = (
    "m.id AS message_id",
    "CAST(m.xmin AS text) AS version",  # Great Expectations knows no type `xid`
    "m.audio_processing_state",
    f"{PRONUNCIATION_SCORE} AS pronunciation_score",
    "m.fluency_score",
    "m.speech_rate_wpm",
    "m.audio_duration_ms",
    "m.audio_size_bytes",
    "m.audio_sample_rate",
    "m.audio_channels",
    "m.audio_format",
    "m.audio_storage_key",
    "CASE WHEN m.audio_deleted_at IS NULL THEN m.audio_storage_key END AS live_storage_key",
    "m.audio_retention_expires_at",
    "m.audio_deleted_at IS NOT NULL AS deleted",
)
_ANALYSIS_COLUMNS = (
    "a.message_id",
    "a.overall_accuracy_score",
    "a.overall_fluency_score",
    "a.speech_rate_wpm",
    "a.articulation_rate_wpm",
    "a.total_speech_duration_ms",
    "a.total_pause_duration_ms",
    "a.pause_count",
    "a.hesitation_count",
    "a.average_pause_duration_ms",
    "a.longest_pause_duration_ms",
    "a.analysis_language",
    "a.analysis_error",
    "a.analysis_duration_ms",
)

_IN_QUARANTINE = "SELECT q.message_id FROM audio_ops.quarantine AS q WHERE q.released_at IS NULL"

# The age of a transaction counts back from the newest, around the end of its 32 bits, so whatever
# was written since `first_xid` is as young or younger. Rows so old that their transaction's number
# has come round may look young, too: they are checked once more. What time alone breaks is always
# looked at, and so is what the deletion of an analysis leaves: no row is left that shows it.
#
# What is in quarantine and has not changed is known: it is looked at so that it can be released.
_CHANGED = f"""
SELECT message_id, bool_or(is_open) AND NOT bool_or(is_changed) AS is_known
FROM (
    SELECT m.id, age(m.xmin) <= age(CAST(:first_xid AS xid)), FALSE FROM messages AS m
    WHERE age(m.xmin) <= age(CAST(:first_xid AS xid)) OR m.audio_processing_state = 'analyzing'
    UNION ALL
    SELECT a.message_id, TRUE, FALSE FROM message_audio_analysis AS a
    WHERE age(a.xmin) <= age(CAST(:first_xid AS xid))
    UNION ALL
    SELECT m.id, FALSE, FALSE FROM messages AS m
    WHERE m.audio_processing_state = 'analyzed'
      AND NOT EXISTS (SELECT FROM message_audio_analysis AS a WHERE a.message_id = m.id)
    UNION ALL
    SELECT q.message_id, FALSE, TRUE FROM ({_IN_QUARANTINE}) AS q
) AS scoped (message_id, is_changed, is_open)
GROUP BY message_id"""  # noqa: S608 - ours
_WINDOW = f"""
SELECT message_id, bool_and(is_open) AS is_known
FROM (
    SELECT m.id, FALSE FROM messages AS m
    WHERE (CAST(:since AS timestamp) IS NULL OR m.timestamp >= :since)
      AND (CAST(:until AS timestamp) IS NULL OR m.timestamp < :until)
    UNION ALL
    SELECT q.message_id, TRUE FROM ({_IN_QUARANTINE}) AS q
) AS scoped (message_id, is_open)
GROUP BY message_id"""  # noqa: S608 - ours

# Most messages are text alone, in the state that the column has by default.
_WITH_AUDIO = f"""(
    m.audio_storage_key IS NOT NULL OR m.audio_deleted_at IS NOT NULL OR m.audio_url IS NOT NULL
    OR m.audio_processing_state IS DISTINCT FROM 'pending' OR a.message_id IS NOT NULL
    OR num_nonnulls(
        m.pronunciation_score, m.fluency_score, m.speech_rate_wpm, m.audio_duration_ms,
        m.audio_size_bytes
    ) > 0
    OR m.id IN ({_IN_QUARANTINE})
)"""
_SCOPED = "{id} IN (SELECT message_id FROM scoped_message)"
_KNOWN = "m.id IN (SELECT message_id FROM scoped_message WHERE is_known) AS is_known"
_COUNT_NEW = text("SELECT count(*) FROM checked_message WHERE NOT is_known")
# Never a table of somebody else's that happens to be called so.
_FORGET = text(
    "DROP TABLE IF EXISTS pg_temp.scoped_message, pg_temp.checked_message,"
    " pg_temp.checked_analysis, pg_temp.broken"
)
_TEMPORARY = "CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS {rows}"


def create(connection: Connection, scope: RowScope, facts: RuleFacts) -> int:
    """Make the temporary tables `checked_message`, `checked_analysis`, and `broken`, empty.

    `checked_message` and `checked_analysis` have the plain columns that rules of one column ask
    for, and for each rule across columns or tables a text column of its name: empty where the rule
    holds or does not apply, else what was observed. `broken` has message_id, rule and observed.
    They live until the transaction ends, or until they are made anew. In `checked_message`,
    `is_known` is true where only an open case of quarantine put the message into scope.

    Args:
        connection: In a transaction; two passes over the tables may take minutes.
        scope: Which messages.
        facts: What rows are compared with.

    Returns:
        How many messages are checked: of those in scope all that have or had audio, a state other
        than pending, a score, a size, a duration, or an analysis.
    """
    connection.execute(LONG)
    connection.execute(_PATIENT)
    connection.execute(_SHARE_WORK)
    connection.execute(_FORGET)
    message_scope, analysis_scope, known = "TRUE", "TRUE", "FALSE AS is_known"
    if scope != RowScope():
        _make_scope(connection, scope)
        message_scope, analysis_scope = _SCOPED.format(id="m.id"), _SCOPED.format(id="a.message_id")
        known = _KNOWN
    # Not INSERT: what fills a new table by CREATE may be read by several processes at once.
    rows = select_messages(
        (*_MESSAGE_COLUMNS, known), message_rows.RULES, where=f"{message_scope} AND {_WITH_AUDIO}"
    )
    checked = _make(connection, MESSAGE_TABLE, rows, facts)
    rows = select_analyses(_ANALYSIS_COLUMNS, analysis_rows.RULES, where=analysis_scope)
    _make(connection, ANALYSIS_TABLE, rows, facts)
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE broken"
            " (message_id text NOT NULL, rule text NOT NULL, observed text NOT NULL) ON COMMIT DROP"
        )
    )
    connection.execute(text(f"ANALYZE {MESSAGE_TABLE}, {ANALYSIS_TABLE}"))
    return checked


def count_new(connection: Connection) -> int:
    """Count the checked messages without those that only an open case put into scope."""
    return int(connection.execute(_COUNT_NEW).scalar_one())


def broken_among(
    connection: Connection,
    message_ids: Collection[str],
    facts: RuleFacts,
    rules: Collection[InvariantRule],
) -> list[BrokenRule]:
    """Return which of these rules these messages break, through indexes.

    Args:
        connection: In a transaction, whose own writes are seen.
        message_ids: A few hundred at most.
        facts: What rows are compared with.
        rules: Across columns or tables.
    """
    if not message_ids or not rules:
        return []
    rows = connection.execute(
        _few(frozenset(rules)), arguments(facts) | {"message_ids": list(message_ids)}
    )
    return [BrokenRule(*row) for row in rows]


def _make(connection: Connection, table: str, rows: str, facts: RuleFacts) -> int:
    """Make a temporary table of these rows; return how many there are."""
    statement = text(_TEMPORARY.format(table=table, rows=rows))
    return connection.execute(statement, arguments(facts)).rowcount


def _make_scope(connection: Connection, scope: RowScope) -> None:
    statement = text(_TEMPORARY.format(table="scoped_message", rows=_WINDOW)).bindparams(
        bindparam("since", scope.since, UtcDateTime), bindparam("until", scope.until, UtcDateTime)
    )
    if scope.changed_since_xid is not None:
        # Rows hold the lower half of a transaction's number.
        statement = text(_TEMPORARY.format(table="scoped_message", rows=_CHANGED)).bindparams(
            first_xid=str(scope.changed_since_xid % 2**32)
        )
    connection.execute(statement)
    connection.execute(text("ANALYZE scoped_message"))


@cache
def _few(rules: frozenset[InvariantRule]) -> TextClause:
    """Return the query of some rules for some messages: a row for each that is broken."""
    parts = []
    for select, every, key in (
        (select_messages, message_rows.RULES, "m.id"),
        (select_analyses, analysis_rows.RULES, "a.message_id"),
    ):
        if chosen := [rule for rule in every if rule in rules]:
            rows = select([f"{key} AS message_id"], chosen, where=f"{key} = ANY(:message_ids)")
            parts.append(one_row_each(f"({rows})", chosen))
    return text(" UNION ALL ".join(parts))


def one_row_each(source: str, rules: Collection[InvariantRule]) -> str:
    """Return a query that turns a column for each rule into a row for each that is broken."""
    columns = ", ".join(f"checked.{rule.name}" for rule in rules)
    values = ", ".join(f"('{rule.name}', checked.{rule.name})" for rule in rules)
    return f"""
SELECT checked.message_id, per_rule.rule, per_rule.observed
FROM {source} AS checked CROSS JOIN LATERAL (VALUES {values}) AS per_rule (rule, observed)
WHERE num_nonnulls({columns}) > 0 AND per_rule.observed IS NOT NULL"""  # noqa: S608 - ours
