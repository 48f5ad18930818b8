"""This project's findings in the app's list, `analysis_findings`.

Ours are identified by module and run. They share one run per conversation and are dated by the
message: the app shows the newest run of a conversation, which must remain its own.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.exc import DBAPIError, OperationalError

from schema.errors.base import DatabaseRefused
from schema.errors.reporting import FindingsDenied
from schema.facts.findings import (
    AnalysedMessage,
    Feature,
    Finding,
    FindingDocuments,
    FindingText,
    StoredFinding,
)
from schema.tables.base import UtcDateTime

MODULE_ID = "pronunciation-analysis"  # the name in the app's module registry
RUN_ID = "kaiwa-audio"
_OURS = f"f.module_id = '{MODULE_ID}' AND f.run_id = '{RUN_ID}'"

_MAY_WRITE = text("""
SELECT bool_and(COALESCE(has_table_privilege(to_regclass(wanted.name), wanted.right), false))
FROM (VALUES
    ('analysis_findings', 'SELECT'), ('analysis_findings', 'INSERT'),
    ('analysis_findings', 'UPDATE'), ('analysis_findings', 'DELETE'),
    ('linguistic_features', 'SELECT'), ('linguistic_features', 'INSERT')
) AS wanted (name, "right")
""")

_PAGE = text(f"""
SELECT message_id FROM (
    (
        SELECT message_id FROM message_audio_analysis
        WHERE message_id > :after ORDER BY message_id LIMIT :limit
    )
    UNION
    (
        SELECT DISTINCT f.message_id FROM analysis_findings AS f
        WHERE {_OURS} AND f.message_id > :after ORDER BY f.message_id LIMIT :limit
    )
) AS either
ORDER BY message_id LIMIT :limit
""")  # noqa: S608 - ours

# In id order, as every writer locks messages; also serialises us with erasures.
_LOCK = text("""
SELECT FROM messages WHERE id = ANY(:message_ids) ORDER BY id FOR NO KEY UPDATE
""")
_MESSAGES = text("""
SELECT m.id, c.target_language_id, m.content, a.analysis_version, a.speech_timings,
    a.phoneme_analysis, a.problematic_words, a.practice_words,
    c.user_id IS NOT NULL AND m.role = 'user' AND a.analysis_error IS NULL
        AND NOT EXISTS (SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id)
        AND NOT EXISTS (
            SELECT FROM audio_ops.quarantine AS q
            WHERE q.message_id = m.id AND q.released_at IS NULL AND q.rule = ANY(:distrusted)
        ) AS is_reported
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE m.id = ANY(:message_ids)
ORDER BY m.id
""")

_STORED = text(f"""
SELECT f.id, f.severity, f.offset_start, f.offset_end, f.original_text, f.explanation, f.metadata,
    f.action_status <> 'pending' AS acted_on
FROM analysis_findings AS f
WHERE {_OURS} AND f.message_id = ANY(:message_ids)
""")  # noqa: S608 - ours

_ADD_FEATURES = text("""
INSERT INTO linguistic_features (id, language_id, macro_skill, sub_skill, micro_rule)
SELECT added.id, added.language, CAST(added.macro_skill AS linguistic_macro_skill),
    added.sub_skill, added.micro_rule
FROM json_to_recordset(CAST(:features AS json)) AS added (
    id text, language text, macro_skill text, sub_skill text, micro_rule text
)
ORDER BY added.id
ON CONFLICT (id) DO NOTHING
""")
# The suggested text is the original text: the learner should say the same, only better. The
# learner's response to the finding and its date stay.
_WRITE = text(f"""
INSERT INTO analysis_findings AS f (
    id, user_id, language_id, conversation_id, message_id, feature_id, module_id, run_id, severity,
    offset_start, offset_end, original_text, suggested_text, explanation, metadata,
    created_at, updated_at
)
SELECT new.id, c.user_id, c.target_language_id, c.id, m.id, new.feature_id, '{MODULE_ID}',
    '{RUN_ID}', CAST(new.severity AS analysis_suggestion_severity), new.offset_start,
    new.offset_end, new.original_text, new.original_text, new.explanation, new.metadata,
    m.timestamp, :as_of
FROM json_to_recordset(CAST(:findings AS json)) AS new (
    id uuid, message_id text, feature_id text, severity text, offset_start integer,
    offset_end integer, original_text text, explanation text, metadata jsonb
)
JOIN messages AS m ON m.id = new.message_id
JOIN conversations AS c ON c.id = m.conversation_id
ORDER BY new.id
ON CONFLICT (id) DO UPDATE SET
    severity = excluded.severity, offset_start = excluded.offset_start,
    offset_end = excluded.offset_end, original_text = excluded.original_text,
    suggested_text = excluded.suggested_text, explanation = excluded.explanation,
    metadata = excluded.metadata, updated_at = excluded.updated_at
WHERE {_OURS}
""").bindparams(bindparam("as_of", type_=UtcDateTime))  # noqa: S608 - ours
_REMOVE = text(f"""
DELETE FROM analysis_findings AS f
WHERE {_OURS} AND f.id = ANY(:finding_ids) AND f.action_status = 'pending'
""")  # noqa: S608 - ours

_FORGET = text(f"""
DELETE FROM analysis_findings AS f WHERE {_OURS} AND f.message_id = ANY(:message_ids)
""")  # noqa: S608 - ours
_COUNT_OF_LEARNER = text(f"""
SELECT count(*) FROM analysis_findings AS f WHERE {_OURS} AND f.user_id = :user_id
""")  # noqa: S608 - ours


def may_write(connection: Connection) -> bool:
    """Return whether this role has all privileges that an export needs."""
    return bool(connection.execute(_MAY_WRITE).scalar_one())


def require_rights(connection: Connection) -> None:
    """Check that an export could write.

    Raises:
        FindingsDenied: If a privilege is missing; the message explains how to grant it.
    """
    if not may_write(connection):
        raise FindingsDenied


def page(connection: Connection, after: str, *, limit: int) -> list[str]:
    """Return ids after `after`, in order, of messages with an analysis or a finding of ours."""
    return list(connection.execute(_PAGE, {"after": after, "limit": limit}).scalars())


def lock(connection: Connection, message_ids: Sequence[str]) -> None:
    """Lock messages against erasures and new analyses until the transaction ends."""
    connection.execute(_LOCK, {"message_ids": list(message_ids)})


def messages(
    connection: Connection, message_ids: Sequence[str], *, distrusted: Collection[str]
) -> list[AnalysedMessage]:
    """Return messages with the documents of their analyses.

    Documents are None for guests, erased learners, failed analyses and invalid documents.

    Args:
        connection: In a transaction.
        message_ids: Deleted messages are omitted from the result.
        distrusted: Quality rules; messages quarantined by one of them get no documents either.
    """
    arguments = {"message_ids": list(message_ids), "distrusted": list(distrusted)}
    return [
        AnalysedMessage(
            row.id,
            row.target_language_id,
            row.content,
            _documents(row) if row.is_reported else None,
        )
        for row in connection.execute(_MESSAGES, arguments)
    ]


def _documents(row: Row[Any]) -> FindingDocuments | None:
    names = ("speech_timings", "phoneme_analysis", "problematic_words", "practice_words")
    lists = {name: getattr(row, name) or () for name in names}
    try:
        return FindingDocuments(analysis_version=row.analysis_version, **lists)
    except ValidationError:  # not written by us; the quality check reports it
        return None


def stored(connection: Connection, message_ids: Sequence[str]) -> list[StoredFinding]:
    """Return our findings of some messages."""
    return [
        StoredFinding(id_, FindingText(*fields), acted_on)
        for id_, *fields, acted_on in connection.execute(
            _STORED, {"message_ids": list(message_ids)}
        )
    ]


def write(connection: Connection, findings: Sequence[Finding], *, as_of: datetime) -> None:
    """Insert or update findings, and insert the features that they refer to.

    Args:
        connection: In the transaction that locked their messages.
        findings: Without duplicates.
        as_of: Time of the change.

    Raises:
        DatabaseRefused: If the database rejects them.
    """
    if not findings:
        return
    arguments = {
        "as_of": as_of,
        "findings": orjson.dumps([_row(finding) for finding in findings]).decode(),
    }
    features = {finding.feature for finding in findings}
    try:
        connection.execute(_ADD_FEATURES, {"features": _json(features)})
        connection.execute(_WRITE, arguments)
    except OperationalError:
        raise  # connection or lock trouble: it quotes no row
    except DBAPIError as error:
        refusal = DatabaseRefused("write findings", getattr(error.orig, "sqlstate", None))
    else:
        return
    raise refusal  # without its cause, which quotes the row: the learner's text


def remove(connection: Connection, finding_ids: Sequence[UUID]) -> None:
    """Delete those of our findings that the learner has not acted on."""
    if finding_ids:
        connection.execute(_REMOVE, {"finding_ids": list(finding_ids)})


def forget(connection: Connection, message_ids: Sequence[str]) -> int:
    """Delete all our findings of some messages, if this role may; return how many."""
    if not may_write(connection):
        return 0
    return connection.execute(_FORGET, {"message_ids": list(message_ids)}).rowcount


def count_of_learner(connection: Connection, user_id: UUID) -> int:
    """Count our findings of a learner; 0 if this role lacks the privileges."""
    if not may_write(connection):
        return 0
    return int(connection.execute(_COUNT_OF_LEARNER, {"user_id": user_id}).scalar_one())


def _json(features: Collection[Feature]) -> str:
    rows = [
        {
            "id": feature.id,
            "language": feature.language,
            "macro_skill": feature.macro_skill,
            "sub_skill": feature.sub_skill,
            "micro_rule": feature.micro_rule,
        }
        for feature in features
    ]
    return orjson.dumps(rows).decode()


def _row(finding: Finding) -> dict[str, object]:
    says = finding.says
    return {
        "id": finding.id,
        "message_id": finding.message_id,
        "feature_id": finding.feature.id,
        "severity": says.severity,
        "offset_start": says.offset_start,
        "offset_end": says.offset_end,
        "original_text": says.original_text,
        "explanation": says.explanation,
        "metadata": says.metadata,
    }
