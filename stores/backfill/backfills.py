"""Backfills: what a selection holds, freezing it, and what is known of each.

A backfill takes only what the live pipeline is done with (`analyzed`, `failed`); what waits or is
being analysed gets the newest engine anyway. Like the live pipeline it takes only what learners
said, in languages that the engine knows. Its messages are frozen in `audio_ops.backfill_item`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.facts.backfill import (
    Backfill,
    BackfillPlan,
    BackfillRequest,
    EngineRelease,
    SelectedGroup,
)
from schema.states import BackfillSelection
from schema.tables.base import UtcDateTime
from stores.analysis.leases import PRIMARY_LANGUAGE

_ENDS = ("start", "end")
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
    SELECT m.id, m.timestamp, {PRIMARY_LANGUAGE} AS language,
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
            WHEN NOT {PRIMARY_LANGUAGE} = ANY(:known_languages) THEN 'unknown'
            ELSE 'selected'
        END AS fate
    FROM messages AS m
    JOIN conversations AS c ON c.id = m.conversation_id
    LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
    WHERE m.audio_storage_key IS NOT NULL AND m.role = 'user'
        AND m.audio_processing_state IN ('analyzed', 'failed')
        AND m.timestamp >= coalesce(:start, CAST('-infinity' AS timestamp))
        AND m.timestamp < coalesce(:end, statement_timestamp() AT TIME ZONE 'UTC')
        AND (:all_languages OR {PRIMARY_LANGUAGE} = ANY(:languages))
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


def _freeze(condition: str, *, newest_first: bool) -> TextClause:
    # Identities follow the order of the rows. Reading on where the last page ended keeps each
    # transaction short: its foreign keys lock the messages against the app's deletions.
    beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
    return text(f"""
WITH page AS MATERIALIZED (
    SELECT id, timestamp, language FROM ({_matching(condition)}) AS matching
    WHERE fate = 'selected' AND (timestamp, id) {beyond} (CAST(:to_timestamp AS timestamp), :to_id)
    ORDER BY timestamp {direction}, id {direction}
    LIMIT :limit
), added AS (
    INSERT INTO audio_ops.backfill_item
        (backfill_id, message_id, engine_version, language, is_canary)
    SELECT :backfill_id, id, :engine_version, language, false
    FROM page ORDER BY timestamp {direction}, id {direction}
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM page) AS found, (SELECT count(*) FROM added) AS added, (
    SELECT jsonb_build_object('timestamp', CAST(timestamp AS text), 'id', id)
    FROM page ORDER BY timestamp {"ASC" if newest_first else "DESC"},
        id {"ASC" if newest_first else "DESC"} LIMIT 1
) AS last
""").bindparams(*_INSTANTS)  # noqa: S608 - our own fragments


_INSTANTS = (bindparam("start", type_=UtcDateTime), bindparam("end", type_=UtcDateTime))
_PLAN = {kind: _plan(condition) for kind, condition in _CONDITIONS.items()}
_FREEZE = {
    (kind, newest_first): _freeze(condition, newest_first=newest_first)
    for kind, condition in _CONDITIONS.items()
    for newest_first in (True, False)
}
_START = {True: {"timestamp": "infinity", "id": ""}, False: {"timestamp": "-infinity", "id": ""}}

_CREATE = text("""
INSERT INTO audio_ops.backfill (fingerprint, selection, reason, engine_version, selected)
VALUES (:fingerprint, :selection, :reason, :engine_version, 0)
ON CONFLICT (fingerprint) WHERE undone_at IS NULL DO NOTHING
RETURNING id
""").bindparams(bindparam("selection", type_=JSONB))
_BY_FINGERPRINT = text(
    "SELECT id FROM audio_ops.backfill WHERE fingerprint = :fingerprint AND undone_at IS NULL"
)
_LOCK = text("""
SELECT frozen_at IS NOT NULL AS frozen, frozen_to, selected, selection,
    created_at AT TIME ZONE 'UTC' AS created_at
FROM audio_ops.backfill WHERE id = :id FOR UPDATE
""").columns(created_at=UtcDateTime)
_FROZEN_TO = text("""
UPDATE audio_ops.backfill SET frozen_to = :frozen_to, selected = selected + :added WHERE id = :id
""").bindparams(bindparam("frozen_to", type_=JSONB))
# Drawn at random, from what has a score to compare with as far as there is any.
_DRAW_SAMPLE = text("""
UPDATE audio_ops.backfill_item AS i SET is_canary = true
FROM (
    SELECT drawn.id
    FROM audio_ops.backfill_item AS drawn
    LEFT JOIN message_audio_analysis AS a ON a.message_id = drawn.message_id
    WHERE drawn.backfill_id = :id
    ORDER BY (a.overall_accuracy_score IS NOT NULL) DESC, md5(drawn.message_id), drawn.id
    LIMIT :canary_size
) AS sample
WHERE i.id = sample.id
""")
_FROZEN = text("UPDATE audio_ops.backfill SET frozen_at = statement_timestamp() WHERE id = :id")

_GET = text("""
SELECT id, engine_version, selected, approved_by, frozen_at IS NOT NULL AS frozen,
    ended_at IS NOT NULL AS ended, stopped_at IS NOT NULL AS stopped,
    undone_at IS NOT NULL AS undone, released_at IS NOT NULL AS released
FROM audio_ops.backfill WHERE id = :id
""")
_DRIVEN_BY = text("SELECT max(id) FROM audio_ops.backfill WHERE flow_run_id = :flow_run_id")
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


def begin(
    connection: Connection,
    request: BackfillRequest,
    release: EngineRelease,
    *,
    fingerprint: str,
    reason: str,
) -> int:
    """Write down that a backfill is asked for, unless that was done before; return its number.

    Args:
        connection: In a transaction.
        request: Which messages.
        release: The engine that analyses them.
        fingerprint: The same for the same request, release and reason.
        reason: Why, for people.
    """
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
        arguments = {"fingerprint": fingerprint}
        created = connection.execute(_BY_FINGERPRINT, arguments).scalar_one()
    return int(created)


def freeze_page(
    connection: Connection,
    backfill_id: int,
    release: EngineRelease,
    known_languages: tuple[str, ...],
    *,
    limit: int,
) -> bool:
    """Select the next messages of a backfill; return whether there may be more.

    Runs that freeze the same backfill at once take turns. With the last page the first sample is
    drawn, and the backfill can be claimed from.

    Args:
        connection: In a transaction; its settings change until its end.
        backfill_id: Which.
        release: What `begin` was given.
        known_languages: To that engine.
        limit: Most messages to select.
    """
    connection.execute(LONG)
    now = connection.execute(_LOCK, {"id": backfill_id}).one()
    if now.frozen:
        return False
    request = _from_json(now.selection)
    start = now.frozen_to or _START[request.newest_first]
    left = limit if request.limit is None else min(limit, request.limit - now.selected)
    arguments = _arguments(request, release, known_languages) | {
        "end": request.end or now.created_at,
        "backfill_id": backfill_id,
        "to_timestamp": start["timestamp"],
        "to_id": start["id"],
        "limit": left,
    }
    page = connection.execute(_FREEZE[request.selection, request.newest_first], arguments).one()
    if page.found:
        taken = {"id": backfill_id, "frozen_to": page.last, "added": page.added}
        connection.execute(_FROZEN_TO, taken)
    if page.found == limit:
        return True
    if page.found and request.limit is not None and now.selected + page.added < request.limit:
        return True  # some were in another backfill: others take their places
    sample = {"id": backfill_id, "canary_size": request.canary_size}
    connection.execute(_DRAW_SAMPLE, sample)
    connection.execute(_FROZEN, {"id": backfill_id})
    return False


def get(connection: Connection, backfill_id: int) -> Backfill | None:
    """Return a backfill, or None."""
    row = connection.execute(_GET, {"id": backfill_id}).mappings().one_or_none()
    return None if row is None else Backfill(**row)


def driven_by(connection: Connection, flow_run_id: UUID) -> int | None:
    """Return the number of the backfill that this Prefect run drives already, or None."""
    arguments = {"flow_run_id": flow_run_id}
    found: int | None = connection.execute(_DRIVEN_BY, arguments).scalar_one()
    return found


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
    for name in _ENDS:
        facts[name] = facts[name] and facts[name].isoformat()
    return facts


def _from_json(facts: dict[str, Any]) -> BackfillRequest:
    instants = {name: facts[name] and datetime.fromisoformat(facts[name]) for name in _ENDS}
    names = {name: tuple(facts[name]) for name in ("languages", "conversation_ids")}
    kind = BackfillSelection(facts["selection"])
    return BackfillRequest(**facts | instants | names | {"selection": kind})
