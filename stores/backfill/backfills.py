"""Rows of `audio_ops.backfill`: begin, look up, drive, stop, approve and end a backfill."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.facts.analysis import EngineRelease
from schema.facts.backfill import Backfill, BackfillRequest
from schema.states import AnalysisEngine, BackfillSelection

_WINDOW = ("start", "end")
# For statements that read every message of a backfill: it may hold millions.
ALLOW_LONG_STATEMENTS = text("SET LOCAL statement_timeout = '30min'")

_CREATE = text("""
INSERT INTO audio_ops.backfill (fingerprint, selection, reason, engine_version, selected)
VALUES (:fingerprint, :selection, :reason, :engine_version, 0)
ON CONFLICT (fingerprint) WHERE undone_at IS NULL DO NOTHING
RETURNING id
""").bindparams(bindparam("selection", type_=JSONB))
_BY_FINGERPRINT = text(
    "SELECT id FROM audio_ops.backfill WHERE fingerprint = :fingerprint AND undone_at IS NULL"
)

_GET = text("""
SELECT id, engine_version, selected, approved_by, frozen_at IS NOT NULL AS frozen,
    ended_at IS NOT NULL AS ended, stopped_at IS NOT NULL AS stopped,
    undone_at IS NOT NULL AS undone, released_at IS NOT NULL AS released
FROM audio_ops.backfill WHERE id = :id
""")
_SELECTION = text("SELECT selection FROM audio_ops.backfill WHERE id = :id")
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


def begin(
    connection: Connection,
    request: BackfillRequest,
    release: EngineRelease,
    *,
    fingerprint: str,
    reason: str,
) -> int:
    """Create a backfill, or find the one with this fingerprint; return its number.

    Args:
        connection: In a transaction.
        request: Which messages to select.
        release: The engine that analyses them.
        fingerprint: Of the request, the current releases and the reason.
        reason: Shown to people.
    """
    created = connection.execute(
        _CREATE,
        {
            "fingerprint": fingerprint,
            "selection": _request_as_json(request),
            "reason": reason,
            "engine_version": str(release),
        },
    ).scalar_one_or_none()
    if created is None:  # exists and is committed: the insert waited for it
        arguments = {"fingerprint": fingerprint}
        created = connection.execute(_BY_FINGERPRINT, arguments).scalar_one()
    return int(created)


def get(connection: Connection, backfill_id: int) -> Backfill | None:
    """Return a backfill, or None."""
    row = connection.execute(_GET, {"id": backfill_id}).mappings().one_or_none()
    return None if row is None else Backfill(**row)


def request_of(connection: Connection, backfill_id: int) -> BackfillRequest:
    """Return the request of an existing backfill."""
    return request_from_json(connection.execute(_SELECTION, {"id": backfill_id}).scalar_one())


def driven_by(connection: Connection, flow_run_id: UUID) -> int | None:
    """Return the number of the backfill that this Prefect run drives, or None."""
    arguments = {"flow_run_id": flow_run_id}
    found: int | None = connection.execute(_DRIVEN_BY, arguments).scalar_one()
    return found


def drive(connection: Connection, backfill_id: int, *, flow_run_id: UUID | None) -> None:
    """Record the Prefect run, if any, that drives a backfill, and clear an earlier stop."""
    connection.execute(_DRIVE, {"id": backfill_id, "flow_run_id": flow_run_id})


def stop(connection: Connection, flow_run_id: UUID) -> list[int]:
    """Stop further claims on the backfills that this Prefect run drives; return their numbers."""
    return list(connection.execute(_STOP, {"flow_run_id": flow_run_id}).scalars())


def write_comparison(
    connection: Connection, backfill_id: int, comparison: Mapping[str, Any]
) -> None:
    """Store how the first sample compares with the earlier analyses."""
    connection.execute(_COMPARED, {"id": backfill_id, "canary": dict(comparison)})


def approve(connection: Connection, backfill_id: int, *, approved_by: str) -> None:
    """Approve the rest of a backfill after its first sample; a second approval changes nothing."""
    connection.execute(_APPROVE, {"id": backfill_id, "approved_by": approved_by})


def end(connection: Connection, backfill_id: int, report: Mapping[str, Any]) -> None:
    """Store the final report; a rerun replaces it and keeps the first `ended_at`."""
    connection.execute(_END, {"id": backfill_id, "report": dict(report)})


def _request_as_json(request: BackfillRequest) -> dict[str, Any]:
    facts = asdict(request)
    for name in _WINDOW:
        facts[name] = facts[name] and facts[name].isoformat()
    return facts


def request_from_json(facts: dict[str, Any]) -> BackfillRequest:
    """Return the request that `begin` stored in the column `selection`."""
    instants = {name: facts[name] and datetime.fromisoformat(facts[name]) for name in _WINDOW}
    names = {name: tuple(facts[name]) for name in ("languages", "conversation_ids")}
    kind = BackfillSelection(facts["selection"])
    engine = facts.get("engine")  # absent from backfills of versions with one engine
    chosen = {"selection": kind, "engine": engine and AnalysisEngine(engine)}
    return BackfillRequest(**facts | instants | names | chosen)
