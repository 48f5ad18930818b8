"""Backfills: what a selection holds, freezing it, and what is known of each.

A backfill takes only what the live pipeline is done with (`analyzed`, `failed`); what waits or is
being analysed gets the newest engine anyway. Its messages are frozen in `audio_ops.backfill_item`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.backfill import Backfill, BackfillPlan, BackfillRequest, EngineRelease, SelectedGroup
from schema.states import BackfillSelection
from schema.tables.base import UtcDateTime

LONG = text("SET LOCAL statement_timeout = '30min'")  # millions of rows, once a backfill

# A version that is not numbers with points between them is taken for an older one.
_VERSION = r"""a.analysis_engine = :engine AND CASE
            WHEN a.analysis_version ~ '^[0-9]{1,6}([.][0-9]{1,6}){0,3}$'
            THEN CAST(string_to_array(a.analysis_version, '.') AS integer[]) """
_OURS = "CAST(string_to_array(:version, '.') AS integer[]) ELSE false END"
IS_NEWER = f"coalesce({_VERSION} > {_OURS}, false)"
_IS_CURRENT = (
    f"coalesce({_VERSION} = {_OURS}"
    " AND a.analysis_model_version IS NOT DISTINCT FROM :model_version, false)"
)

_CONDITIONS = {
    BackfillSelection.MISSING: "a.message_id IS NULL",
    BackfillSelection.FAILED: (
        "(m.audio_processing_state = 'failed' OR a.analysis_error IS NOT NULL)"
    ),
    BackfillSelection.OUTDATED: (
        f"a.message_id IS NOT NULL AND a.analysis_error IS NULL AND NOT {_IS_CURRENT}"
    ),
    BackfillSelection.QUARANTINED: (
        "EXISTS (SELECT FROM audio_ops.quarantine AS q"
        " WHERE q.message_id = m.id AND q.released_at IS NULL)"
    ),
    BackfillSelection.ALL: "TRUE",
}


def _matching(condition: str) -> str:
    return f"""
    SELECT m.id, m.timestamp, c.target_language_id AS language,
        a.overall_accuracy_score IS NOT NULL AS has_score,
        coalesce(a.analysis_engine || ' ' || a.analysis_version, 'none') AS stored,
        coalesce(m.audio_duration_ms, a.total_speech_duration_ms + a.total_pause_duration_ms, 0)
            AS audio_ms,
        coalesce(m.audio_size_bytes, 0) AS bytes,
        CASE
            WHEN m.audio_deleted_at IS NOT NULL THEN 'gone'
            WHEN {IS_NEWER} THEN 'newer'
            WHEN EXISTS (
                SELECT FROM audio_ops.backfill_item AS i
                WHERE i.message_id = m.id AND i.engine_version = :engine_version
                    AND (i.outcome IS NULL OR i.outcome = 'analyzed')
            ) THEN 'done'
            WHEN NOT c.target_language_id = ANY(:known_languages) THEN 'unknown'
            ELSE 'selected'
        END AS fate
    FROM messages AS m
    JOIN conversations AS c ON c.id = m.conversation_id
    LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
    WHERE m.audio_storage_key IS NOT NULL
        AND m.audio_processing_state IN ('analyzed', 'failed')
        AND m.timestamp >= coalesce(:start, CAST('-infinity' AS timestamp))
        AND m.timestamp < coalesce(:end, statement_timestamp() AT TIME ZONE 'UTC')
        AND (:all_languages OR c.target_language_id = ANY(:languages))
        AND (:all_conversations OR m.conversation_id = ANY(:conversation_ids))
        AND (c.user_id IS NULL OR NOT EXISTS (
            SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id
        ))
        AND {condition}"""  # noqa: S608 - our own fragments


def _plan(condition: str) -> TextClause:
    return text(f"""
SELECT fate, language, stored, count(*) AS messages, sum(audio_ms) AS audio_ms, sum(bytes) AS bytes
FROM ({_matching(condition)}) AS matching
GROUP BY fate, language, stored ORDER BY messages DESC, language, stored
""").bindparams(*_INSTANTS)  # noqa: S608 - our own fragments


def _freeze(condition: str) -> TextClause:
    # The first sample is drawn from what has a score to compare with, as far as there is any.
    # Identities follow the order of the rows.
    return text(f"""
WITH chosen AS (
    SELECT id, language, has_score,
        extract(epoch FROM timestamp) * CASE WHEN :newest_first THEN -1 ELSE 1 END AS place
    FROM ({_matching(condition)}) AS matching
    WHERE fate = 'selected'
    ORDER BY place, id
    LIMIT :limit
), drawn AS (
    SELECT id, language, place,
        row_number() OVER (ORDER BY has_score DESC, md5(id), id) <= :canary_size AS is_canary
    FROM chosen
)
INSERT INTO audio_ops.backfill_item (backfill_id, message_id, engine_version, language, is_canary)
SELECT :backfill_id, id, :engine_version, language, is_canary
FROM drawn ORDER BY is_canary DESC, place, id
ON CONFLICT DO NOTHING
""").bindparams(*_INSTANTS)  # noqa: S608 - our own fragments


_INSTANTS = (bindparam("start", type_=UtcDateTime), bindparam("end", type_=UtcDateTime))
_PLAN = {kind: _plan(condition) for kind, condition in _CONDITIONS.items()}
_FREEZE = {kind: _freeze(condition) for kind, condition in _CONDITIONS.items()}

_CREATE = text("""
INSERT INTO audio_ops.backfill (fingerprint, selection, reason, engine_version, selected)
VALUES (:fingerprint, :selection, :reason, :engine_version, 0)
ON CONFLICT (fingerprint) WHERE undone_at IS NULL DO NOTHING
RETURNING id
""").bindparams(bindparam("selection", type_=JSONB))
_BY_FINGERPRINT = text(
    "SELECT id FROM audio_ops.backfill WHERE fingerprint = :fingerprint AND undone_at IS NULL"
)
_COUNTED = text("UPDATE audio_ops.backfill SET selected = :selected WHERE id = :id")

_GET = text("""
SELECT id, engine_version, selected, canary, approved_by, ended_at IS NOT NULL AS ended,
    stopped_at IS NOT NULL AS stopped, undone_at IS NOT NULL AS undone,
    released_at IS NOT NULL AS released
FROM audio_ops.backfill WHERE id = :id
""")
_DRIVE = text(
    "UPDATE audio_ops.backfill SET flow_run_id = :flow_run_id, stopped_at = NULL WHERE id = :id"
)
_STOP = text("""
UPDATE audio_ops.backfill SET stopped_at = statement_timestamp()
WHERE flow_run_id = :flow_run_id AND stopped_at IS NULL AND ended_at IS NULL
RETURNING id
""")
_COMPARED = text("UPDATE audio_ops.backfill SET canary = :canary WHERE id = :id").bindparams(
    bindparam("canary", type_=JSONB)
)
_APPROVE = text(
    "UPDATE audio_ops.backfill SET approved_by = :approved_by WHERE id = :id"
    " AND approved_by IS NULL"
)
_END = text("""
UPDATE audio_ops.backfill SET ended_at = coalesce(ended_at, statement_timestamp()), report = :report
WHERE id = :id
""").bindparams(bindparam("report", type_=JSONB))


def plan(
    connection: Connection,
    request: BackfillRequest,
    release: EngineRelease,
    known_languages: tuple[str, ...],
) -> BackfillPlan:
    """Count what a backfill would take, whatever its limit.

    Args:
        connection: In a transaction; its settings change until its end.
        request: Which messages.
        release: The engine that would analyse them.
        known_languages: To that engine.
    """
    connection.execute(LONG)
    rows = connection.execute(
        _PLAN[request.selection], _arguments(request, release, known_languages)
    ).all()
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for row in rows:
        counts[row.fate] += row.messages
        if row.fate == "unknown":
            unknown[row.language] += row.messages
    return BackfillPlan(
        groups=tuple(
            SelectedGroup(
                row.language, row.stored, row.messages, int(row.audio_ms) / 1000, int(row.bytes)
            )
            for row in rows
            if row.fate == "selected"
        ),
        gone=counts["gone"],
        newer=counts["newer"],
        done=counts["done"],
        unknown_languages=unknown,
    )


def freeze(
    connection: Connection,
    request: BackfillRequest,
    release: EngineRelease,
    known_languages: tuple[str, ...],
    *,
    fingerprint: str,
    reason: str,
) -> int:
    """Write a backfill and all its messages down, unless that was done before; return its number.

    Args:
        connection: In a transaction; its settings change until its end.
        request: Which messages.
        release: The engine that analyses them.
        known_languages: To that engine.
        fingerprint: The same for the same request, release and reason.
        reason: Why, for people.
    """
    connection.execute(LONG)
    created = connection.execute(
        _CREATE,
        {
            "fingerprint": fingerprint,
            "selection": _as_json(request),
            "reason": reason,
            "engine_version": str(release),
        },
    ).scalar_one_or_none()
    if created is None:  # its maker has committed: the index made us wait for it
        return int(connection.execute(_BY_FINGERPRINT, {"fingerprint": fingerprint}).scalar_one())
    arguments = _arguments(request, release, known_languages) | {
        "backfill_id": created,
        "newest_first": request.newest_first,
        "limit": request.limit,
        "canary_size": request.canary_size,
    }
    selected = connection.execute(_FREEZE[request.selection], arguments).rowcount
    connection.execute(_COUNTED, {"id": created, "selected": selected})
    return int(created)


def get(connection: Connection, backfill_id: int) -> Backfill | None:
    """Return a backfill, or None."""
    row = connection.execute(_GET, {"id": backfill_id}).mappings().one_or_none()
    return None if row is None else Backfill(**row)


def drive(connection: Connection, backfill_id: int, *, flow_run_id: UUID | None) -> None:
    """Let a backfill go on, driven by this Prefect run; None: by no run."""
    connection.execute(_DRIVE, {"id": backfill_id, "flow_run_id": flow_run_id})


def stop(connection: Connection, flow_run_id: UUID) -> list[int]:
    """Let nothing more be claimed of the backfills that this Prefect run drives; return them."""
    return list(connection.execute(_STOP, {"flow_run_id": flow_run_id}).scalars())


def write_comparison(
    connection: Connection, backfill_id: int, comparison: Mapping[str, Any]
) -> None:
    """Keep how the first sample compares with what was stored."""
    connection.execute(_COMPARED, {"id": backfill_id, "canary": dict(comparison)})


def approve(connection: Connection, backfill_id: int, *, approved_by: str) -> None:
    """Let the backfill go on after its first sample; the first approval stands."""
    connection.execute(_APPROVE, {"id": backfill_id, "approved_by": approved_by})


def end(connection: Connection, backfill_id: int, report: Mapping[str, Any]) -> None:
    """Keep the final report; a rerun writes it anew, but the end stays when it was."""
    connection.execute(_END, {"id": backfill_id, "report": dict(report)})


def release_arguments(release: EngineRelease) -> dict[str, str]:
    """Return what `IS_NEWER` compares with."""
    return asdict(release)


def _arguments(
    request: BackfillRequest, release: EngineRelease, known_languages: tuple[str, ...]
) -> dict[str, Any]:
    return release_arguments(release) | {
        "engine_version": str(release),
        "known_languages": list(known_languages),
        "start": request.start,
        "end": request.end,
        "languages": list(request.languages),
        "all_languages": not request.languages,
        "conversation_ids": list(request.conversation_ids),
        "all_conversations": not request.conversation_ids,
    }


def _as_json(request: BackfillRequest) -> dict[str, Any]:
    facts = asdict(request)
    for name in ("start", "end"):
        facts[name] = facts[name] and facts[name].isoformat()
    return facts
