"""Analyses of messages' audio: the documented repository functions, and a history of changes."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from schema.documents import AnalysisRecord
from schema.facts.analysis import AnalysisSummary
from schema.tables.analysis import MessageAudioAnalysis as Analysis
from schema.tables.app import Message
from stores.deletion import erasure

_COLUMNS = tuple(AnalysisRecord.model_fields)
_RECORD = sa.select(*(Analysis.__table__.c[name] for name in _COLUMNS))
_SUMMARY = sa.select(*(Analysis.__table__.c[name] for name in AnalysisSummary.__dataclass_fields__))

_LOCK_MESSAGES = (
    sa.select(Message.id)
    .where(Message.id.in_(sa.bindparam("message_ids", expanding=True)))
    .order_by(Message.id)
    .with_for_update(key_share=True)
)

# A failed analysis overwrites only failed ones, so successful ones need no copy then.
_KEEP_HISTORY = sa.text("""
INSERT INTO audio_ops.analysis_history (
    message_id, analyzed_at, analysis_version, analysis_engine, analysis_model_version,
    analysis_language, overall_accuracy_score, overall_fluency_score, speech_rate_wpm,
    analysis_error
)
SELECT old.message_id, old.analyzed_at AT TIME ZONE 'UTC', old.analysis_version,
    old.analysis_engine, old.analysis_model_version, old.analysis_language,
    old.overall_accuracy_score, old.overall_fluency_score, old.speech_rate_wpm, old.analysis_error
FROM message_audio_analysis AS old
JOIN unnest(CAST(:message_ids AS text[]), CAST(:failed AS boolean[])) AS new (message_id, failed)
    ON new.message_id = old.message_id
WHERE old.analysis_error IS NOT NULL OR NOT new.failed
ORDER BY old.message_id
""")

_INSERT = insert(Analysis)
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=[Analysis.message_id],
    set_={name: _INSERT.excluded[name] for name in _COLUMNS},
    where=sa.or_(_INSERT.excluded.analysis_error.is_(None), Analysis.analysis_error.is_not(None)),
)


def create(connection: Connection, record: AnalysisRecord) -> None:
    """Insert the first analysis of a message.

    Raises:
        IntegrityError: If the message has one already, or does not exist.
    """
    connection.execute(_INSERT, _values(record))


def upsert(connection: Connection, records: Iterable[AnalysisRecord]) -> int:
    """Write analyses; overwritten scores are kept in `audio_ops.analysis_history`.

    A failed analysis (`analysis_error` set) never overwrites a successful one. Analyses of messages
    that have been deleted or whose learner has been erased are dropped.

    Args:
        connection: In a transaction; the messages stay locked until it ends.
        records: At most one per message.

    Returns:
        How many of the messages still exist and belong to no erased learner.
    """
    by_id = {record.message_id: record for record in records}
    if not by_id:
        return 0
    existing = connection.execute(_LOCK_MESSAGES, {"message_ids": list(by_id)}).scalars().all()
    # Checked under the locks: an erasure that began earlier has set its tombstone, and one that
    # begins now waits for us and then deletes what we write.
    erased = erasure.under_tombstone(connection, existing)
    ours = [message_id for message_id in existing if message_id not in erased]
    if ours:
        failed = {id_ for id_ in ours if by_id[id_].analysis_error is not None}
        keep_history(connection, ours, failed)
        connection.execute(_UPSERT, [_values(by_id[message_id]) for message_id in ours])
    return len(ours)


def working(connection: Connection, message_ids: Sequence[str]) -> set[str]:
    """Return the ids of those messages that have a successful analysis."""
    query = sa.select(Analysis.message_id).where(
        Analysis.message_id.in_(message_ids), Analysis.analysis_error.is_(None)
    )
    return set(connection.execute(query).scalars())


def keep_history(
    connection: Connection, message_ids: Sequence[str], failed: Collection[str] = ()
) -> None:
    """Copy scores to the history before they are overwritten or undone.

    Args:
        connection: In a transaction that has locked the messages.
        message_ids: Messages whose analyses are about to change.
        failed: Those of them whose new analysis failed, which overwrites only failed ones.
    """
    arguments = {
        "message_ids": list(message_ids),
        "failed": [message_id in failed for message_id in message_ids],
    }
    connection.execute(_KEEP_HISTORY, arguments)


def get_by_message(connection: Connection, message_id: str) -> AnalysisRecord | None:
    """Return a message's analysis with its large columns, or None.

    Raises:
        pydantic.ValidationError: If a stored document does not have the documented shape.
    """
    return get_many(connection, [message_id]).get(message_id)


def get_many(connection: Connection, message_ids: Sequence[str]) -> dict[str, AnalysisRecord]:
    """Return the analyses of several messages by message id; messages without one are omitted.

    Raises:
        pydantic.ValidationError: If a stored document does not have the documented shape.
    """
    rows = connection.execute(_RECORD.where(Analysis.message_id.in_(message_ids))).mappings()
    return {row["message_id"]: AnalysisRecord.model_validate(dict(row)) for row in rows}


def summary(connection: Connection, message_id: str) -> AnalysisSummary | None:
    """Return a message's scores and counts without its large columns, or None."""
    row = connection.execute(_SUMMARY.where(Analysis.message_id == message_id)).one_or_none()
    return None if row is None else AnalysisSummary(*row)


def update(connection: Connection, message_id: str, changes: Mapping[str, object]) -> bool:
    """Update some columns of a message's analysis; return whether it exists.

    Args:
        connection: In a transaction.
        message_id: The message.
        changes: New values by column name.

    Raises:
        pydantic.ValidationError: If the result would not have the documented shape, or a name is
            not a column.
    """
    stored = _RECORD.where(Analysis.message_id == message_id).with_for_update()
    row = connection.execute(stored).mappings().one_or_none()
    if row is None:
        return False
    record = AnalysisRecord.model_validate({**row, **changes})
    values = {name: getattr(record, name) for name in changes}
    connection.execute(sa.update(Analysis).where(Analysis.message_id == message_id).values(values))
    return True


def delete(connection: Connection, message_id: str) -> bool:
    """Delete a message's analysis; return whether there was one."""
    deleted = connection.execute(sa.delete(Analysis).where(Analysis.message_id == message_id))
    return deleted.rowcount > 0


def exists(connection: Connection, message_id: str) -> bool:
    """Return whether a message has an analysis."""
    query = sa.select(sa.exists().where(Analysis.message_id == message_id))
    return connection.execute(query).scalar_one()


def _values(record: AnalysisRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _COLUMNS}
