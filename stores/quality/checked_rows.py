"""Temporary tables of the checked rows, with the result of each rule across columns and tables.

`create` reads messages and analyses once each, and keeps only what later queries need, so that
those are cheap.
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

# For statements that read all messages.
LONG = text("SET LOCAL statement_timeout = '2h'")
# The transaction may wait for the bucket; it locks only temporary tables.
_ALLOW_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = '2h'")
# The planner expects a hundred wrong words per analysis, and avoids passing them between processes;
# in fact there are hardly any.
_PREFER_PARALLEL = text("SET LOCAL parallel_tuple_cost = 0")

MESSAGE_TABLE = "checked_message"
ANALYSIS_TABLE = "checked_analysis"

# Of the key as S3 counts it, whatever the database's encoding.
STORAGE_KEY_BYTES = "octet_length(convert_to(m.audio_storage_key, 'UTF8')) AS storage_key_bytes"
# Columns used by rules of one column. `version` is the transaction that wrote the row.
_MESSAGE_COLUMNS = (
    "m.id AS message_id",
    "CAST(m.xmin AS text) AS version",  # Great Expectations does not know the type `xid`
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
    STORAGE_KEY_BYTES,
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
    "COALESCE(a.analysis_engine, '') AS analysis_engine",
    "a.analysis_error",
    "a.analysis_duration_ms",
)

_IN_QUARANTINE = "SELECT q.message_id FROM audio_ops.quarantine AS q WHERE q.released_at IS NULL"

# A transaction's age counts back from the newest, modulo 2^32, so rows written since `first_xid`
# are as young or younger. Very old rows may look young, too, once ids have wrapped around; they are
# checked again. Always included are messages that time alone can break, and messages
# without their analysis, as its deletion leaves no changed row.
#
# Unchanged messages in quarantine count as known: they are checked so that they can be released.
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

# Excludes text-only messages, which are most of them, in the default state.
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
# Qualified, so as not to drop another table of the same name.
_FORGET = text(
    "DROP TABLE IF EXISTS pg_temp.scoped_message, pg_temp.checked_message,"
    " pg_temp.checked_analysis, pg_temp.broken"
)
_TEMPORARY = "CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS {rows}"


def create(connection: Connection, scope: RowScope, facts: RuleFacts) -> int:
    """Create the temporary tables `checked_message`, `checked_analysis` and the empty `broken`.

    `checked_message` and `checked_analysis` have the columns used by rules of one column, and for
    each rule across columns or tables a text column with its name: NULL where the rule holds or
    does not apply, otherwise the observed value. `broken` has message_id, rule and observed. The
    tables exist until the transaction ends or `create` is called again. In `checked_message`,
    `is_known` is true for messages that are in scope only because of an open case.

    Args:
        connection: In a transaction; reading the tables may take minutes.
        scope: Which messages to check.
        facts: What rows are compared with.

    Returns:
        How many messages are checked: those in scope that have or had audio, or have a state other
        than pending, a score, a size, a duration or an analysis.
    """
    connection.execute(LONG)
    connection.execute(_ALLOW_IDLE)
    connection.execute(_PREFER_PARALLEL)
    connection.execute(_FORGET)
    message_scope, analysis_scope, known = "TRUE", "TRUE", "FALSE AS is_known"
    if scope != RowScope():
        _make_scope(connection, scope)
        message_scope, analysis_scope = _SCOPED.format(id="m.id"), _SCOPED.format(id="a.message_id")
        known = _KNOWN
    # Unlike INSERT, CREATE TABLE AS can use parallel workers.
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
    """Count the checked messages, except those in scope only because of an open case."""
    return int(connection.execute(_COUNT_NEW).scalar_one())


def broken_among(
    connection: Connection,
    message_ids: Collection[str],
    facts: RuleFacts,
    rules: Collection[InvariantRule],
) -> list[BrokenRule]:
    """Return which of these rules the messages break, reading by index.

    Args:
        connection: In a transaction; its own writes are visible.
        message_ids: At most a few hundred.
        facts: What rows are compared with.
        rules: Rules across columns or tables.
    """
    if not message_ids or not rules:
        return []
    rows = connection.execute(
        _few(frozenset(rules)), arguments(facts) | {"message_ids": list(message_ids)}
    )
    return [BrokenRule(*row) for row in rows]


def _make(connection: Connection, table: str, rows: str, facts: RuleFacts) -> int:
    """Create a temporary table with the rows of a query; return how many there are."""
    statement = text(_TEMPORARY.format(table=table, rows=rows))
    return connection.execute(statement, arguments(facts)).rowcount


def _make_scope(connection: Connection, scope: RowScope) -> None:
    statement = text(_TEMPORARY.format(table="scoped_message", rows=_WINDOW)).bindparams(
        bindparam("since", scope.since, UtcDateTime), bindparam("until", scope.until, UtcDateTime)
    )
    if scope.changed_since_xid is not None:
        # Rows store only the lower 32 bits of a transaction id.
        statement = text(_TEMPORARY.format(table="scoped_message", rows=_CHANGED)).bindparams(
            first_xid=str(scope.changed_since_xid % 2**32)
        )
    connection.execute(statement)
    connection.execute(text("ANALYZE scoped_message"))


@cache
def _few(rules: frozenset[InvariantRule]) -> TextClause:
    """Return a query of some rules for some messages, with a row for each broken rule."""
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
    """Return a query that turns one column per rule into one row per broken rule."""
    columns = ", ".join(f"checked.{rule.name}" for rule in rules)
    values = ", ".join(f"('{rule.name}', checked.{rule.name})" for rule in rules)
    return f"""
SELECT checked.message_id, per_rule.rule, per_rule.observed
FROM {source} AS checked CROSS JOIN LATERAL (VALUES {values}) AS per_rule (rule, observed)
WHERE num_nonnulls({columns}) > 0 AND per_rule.observed IS NOT NULL"""  # noqa: S608 - ours
