"""Recordings whose retention has ended: find, lock and mark them as deleted.

Queries scan audio_ops_messages_expiring_idx in its own order, NULLS FIRST (docs/adr/0014). To
delete, call `holds.keep_out` first, then lock all live messages of a key in id order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnClause,
    Connection,
    Row,
    Text,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from schema.facts.deletion import Recording
from schema.tables.base import UtcDateTime
from stores.deletion.holds import HELD
from stores.readable import is_readable, size_bytes
from stores.tiers import CURRENT_TIER

SWEEP_LOCK = 0x7377656570  # "sweep"

_LIVE = "m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL"
_COLUMNS = f"""m.id, m.conversation_id, m.audio_storage_key, m.role, m.timestamp,
        m.audio_retention_expires_at, {size_bytes("m.audio_size_bytes")} AS audio_size_bytes,
        m.audio_processing_state"""
# Facts about the few rows in `picked`. LIMIT forces a lookup per conversation: a generic plan, made
# for any page size, would read all of them.
_FACTS = f"""
    SELECT m.id, m.audio_storage_key, m.role, m.timestamp,
        c.user_id IS NOT NULL AS has_user,
        {CURRENT_TIER} AS current_tier,
        m.audio_retention_expires_at, m.audio_size_bytes, m.audio_processing_state,
        {HELD} AS held
    FROM picked AS m CROSS JOIN LATERAL (
        SELECT c.user_id FROM conversations AS c WHERE c.id = m.conversation_id LIMIT 1
    ) AS c"""  # noqa: S608 - ours
_TYPES: tuple[ColumnClause[Any], ...] = (
    column("id", Text),
    column("audio_storage_key", Text),
    column("role", Text),
    column("timestamp", UtcDateTime),
    column("has_user", Boolean),
    column("current_tier", Text),
    column("audio_retention_expires_at", UtcDateTime),
    column("audio_size_bytes"),
    column("audio_processing_state", Text),
    column("held", Boolean),
)

# Of the transaction, because behind some poolers a session is not ours for longer.
_TRY_LOCK = select(func.pg_try_advisory_xact_lock(SWEEP_LOCK))
_ALLOW_IDLE = text("SET LOCAL idle_in_transaction_session_timeout = 0")
_COUNT_LIVE = text(f"SELECT count(*) FROM messages AS m WHERE {_LIVE}")  # noqa: S608 - ours
_COUNT_WITHOUT_EXPIRY = text(
    f"SELECT count(*) FROM messages AS m WHERE {_LIVE} AND m.audio_retention_expires_at IS NULL"  # noqa: S608 - ours
)

# The upper bound is compared outside: given both bounds and no statistics, the planner expects few
# rows between them and would sort all of them for every page.
_FIND_EXPIRED = (
    text(f"""
WITH picked AS MATERIALIZED (
    SELECT {_COLUMNS}
    FROM messages AS m
    WHERE {_LIVE} AND (m.audio_retention_expires_at, m.id) > (:after, :after_id)
    ORDER BY m.audio_retention_expires_at NULLS FIRST, m.id
    LIMIT :limit
)
{_FACTS}
WHERE m.audio_retention_expires_at <= :before
ORDER BY m.audio_retention_expires_at, m.id
""")  # noqa: S608 - ours
    .bindparams(bindparam("before", type_=UtcDateTime), bindparam("after", type_=UtcDateTime))
    .columns(*_TYPES)
)

# A row that another transaction has locked appears without facts. Without statistics, the planner
# may expect a key to match most messages and choose the index of all live messages. OFFSET forces a
# lookup per key, and `_NOT_DELETED` is written so that it matches no partial index.
_NOT_DELETED = "num_nulls(m.audio_deleted_at) = 1"
_LOCK = text(f"""
WITH sharing AS MATERIALIZED (
    SELECT m.id, m.audio_storage_key
    FROM unnest(CAST(:keys AS text[])) AS wanted (storage_key) CROSS JOIN LATERAL (
        SELECT m.id, m.audio_storage_key FROM messages AS m
        WHERE m.audio_storage_key = wanted.storage_key AND {_NOT_DELETED}
        OFFSET 0
    ) AS m
), picked AS MATERIALIZED (
    SELECT {_COLUMNS}
    FROM messages AS m
    WHERE m.id = ANY(ARRAY(SELECT id FROM sharing))
        AND m.audio_storage_key = ANY(:keys) AND {_NOT_DELETED}
    ORDER BY m.id
    FOR NO KEY UPDATE SKIP LOCKED
), facts AS ({_FACTS}
)
SELECT sharing.id, sharing.audio_storage_key, role, timestamp, has_user, current_tier,
    audio_retention_expires_at, audio_size_bytes, audio_processing_state, held
FROM sharing LEFT JOIN facts USING (id)
ORDER BY sharing.id
""").columns(*_TYPES)  # noqa: S608 - ours

_LOCK_WITHOUT_EXPIRY = text(f"""
WITH picked AS MATERIALIZED (
    SELECT {_COLUMNS}
    FROM messages AS m
    WHERE {_LIVE} AND m.audio_retention_expires_at IS NULL AND m.id > :after_id
    ORDER BY m.audio_retention_expires_at NULLS FIRST, m.id
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
{_FACTS}
ORDER BY m.id
""").columns(*_TYPES)  # noqa: S608 - ours

_SAMPLE_LIVE = text(f"""
SELECT m.audio_storage_key FROM messages AS m
WHERE {_LIVE} AND m.audio_retention_expires_at > :before
    AND m.audio_processing_state NOT IN ('pending', 'uploading')
ORDER BY m.audio_retention_expires_at DESC NULLS LAST, m.id DESC
LIMIT :limit
""").bindparams(bindparam("before", type_=UtcDateTime))  # noqa: S608 - ours

_COUNT_UNREADABLE = text(f"""
SELECT count(*), count(*) FILTER (WHERE held), count(*) FILTER (WHERE past AND NOT held)
FROM (
    SELECT {HELD} AS held, m.audio_retention_expires_at < '0001-01-01' AS past
    FROM messages AS m CROSS JOIN LATERAL (
        SELECT c.user_id FROM conversations AS c WHERE c.id = m.conversation_id LIMIT 1
    ) AS c
    WHERE {_LIVE} AND NOT {is_readable("m.audio_retention_expires_at")}
) AS unreadable
""")  # noqa: S608 - ours

_CLEAR_URLS = text(
    "UPDATE messages SET audio_url = NULL, audio_url_expires_at = NULL WHERE id = ANY(:ids)"
)
_SET_EXPIRY = text("""
UPDATE messages AS m SET audio_retention_expires_at = new.expires_at
FROM unnest(CAST(:ids AS text[]), CAST(:expiries AS timestamp[])) AS new (id, expires_at)
WHERE m.id = new.id
""").bindparams(bindparam("expiries", type_=ARRAY(UtcDateTime)))

_MARK_DELETED = """
UPDATE messages SET audio_deleted_at = statement_timestamp() AT TIME ZONE 'UTC',
    audio_url = NULL, audio_url_expires_at = NULL{more}
WHERE id = ANY(:ids)
"""
_SOFT_DELETE = text(_MARK_DELETED.format(more=""))
_HARD_DELETE = text(
    _MARK_DELETED.format(
        more=""", audio_storage_key = NULL,
    audio_duration_ms = NULL, audio_size_bytes = NULL, audio_format = NULL,
    audio_sample_rate = NULL, audio_channels = NULL, audio_retention_expires_at = NULL"""
    )
)


@dataclass(frozen=True, slots=True)
class Position:
    """Keyset position in a scan of expired recordings: after this expiry and message."""

    expires_at: datetime
    message_id: str


BEGINNING = Position(datetime.min.replace(tzinfo=UTC), "")


def position_of(recording: Recording) -> Position:
    """Return the position just after an expired recording."""
    if recording.retention_expires_at is None:
        raise AssertionError  # expired recordings have an expiry
    return Position(recording.retention_expires_at, recording.message_id)


@dataclass(frozen=True, slots=True)
class UnreadableExpiries:
    """Numbers of live recordings whose expiry is no date."""

    recordings: int
    held: int  # of them, under a legal hold
    overdue: int  # of them, in the past and not held


@dataclass(frozen=True, slots=True)
class LockedRecordings:
    """All live messages of some keys."""

    recordings: tuple[Recording, ...]  # locked until the transaction's end
    busy: frozenset[str]  # keys with a message that another transaction has locked


def try_lock_sweep(connection: Connection) -> bool:
    """Acquire the sweep's lock until the transaction ends; return False if it is taken.

    The transaction may idle for hours: it holds no snapshot and has no id, so vacuum ignores it.
    """
    connection.execute(_ALLOW_IDLE)
    return bool(connection.execute(_TRY_LOCK).scalar_one())


def count_live(connection: Connection) -> int:
    """Count the messages with audio."""
    return int(connection.execute(_COUNT_LIVE).scalar_one())


def count_without_expiry(connection: Connection) -> int:
    """Count the messages with audio but no expiry."""
    return int(connection.execute(_COUNT_WITHOUT_EXPIRY).scalar_one())


def count_unreadable(connection: Connection) -> UnreadableExpiries:
    """Count the messages with audio whose expiry is no date."""
    return UnreadableExpiries(*connection.execute(_COUNT_UNREADABLE).one())


def find_expired(
    connection: Connection, *, before: datetime, after: Position, limit: int
) -> list[Recording]:
    """Return recordings whose stored expiry is at or before `before`, oldest first, unlocked.

    Args:
        connection: Any.
        before: Newest expiry, UTC. Expiries before year 1 are left out.
        after: Position of the last recording of the previous page.
        limit: Maximum number of recordings; fewer are returned only at the end.
    """
    page = {"before": before, "after": after.expires_at, "after_id": after.message_id}
    return [_recording(row) for row in connection.execute(_FIND_EXPIRED, page | {"limit": limit})]


def lock(connection: Connection, keys: Collection[str]) -> LockedRecordings:
    """Lock all live messages of these keys, expired or not, skipping those already locked."""
    rows = connection.execute(_LOCK, {"keys": list(set(keys))}).all()
    return LockedRecordings(
        recordings=tuple(_recording(row) for row in rows if row.held is not None),
        busy=frozenset(row.audio_storage_key for row in rows if row.held is None),
    )


def lock_without_expiry(connection: Connection, *, after_id: str, limit: int) -> list[Recording]:
    """Lock the next recordings without an expiry, in id order."""
    rows = connection.execute(_LOCK_WITHOUT_EXPIRY, {"after_id": after_id, "limit": limit})
    return [_recording(row) for row in rows]


def sample_live(connection: Connection, *, before: datetime, limit: int) -> list[str]:
    """Return keys of uploaded recordings that expire after `before`, the latest first."""
    return list(connection.execute(_SAMPLE_LIVE, {"before": before, "limit": limit}).scalars())


def clear_urls(connection: Connection, message_ids: Sequence[str]) -> None:
    """Clear the URLs of locked messages."""
    if message_ids:
        connection.execute(_CLEAR_URLS, {"ids": list(message_ids)})


def set_expiry(connection: Connection, expiries: Mapping[str, datetime]) -> None:
    """Store the retention expiry (UTC) of locked messages."""
    if expiries:
        connection.execute(
            _SET_EXPIRY, {"ids": list(expiries), "expiries": list(expiries.values())}
        )


def mark_deleted(connection: Connection, message_ids: Sequence[str], *, soft: bool) -> None:
    """Mark the audio of locked messages as deleted now, by the database's clock.

    Args:
        connection: In a transaction that has locked them.
        message_ids: The messages.
        soft: Keep key and metadata as an audit trail instead of clearing them.
    """
    if message_ids:
        connection.execute(_SOFT_DELETE if soft else _HARD_DELETE, {"ids": list(message_ids)})


def _recording(row: Row[Any]) -> Recording:
    return Recording(
        message_id=row.id,
        storage_key=row.audio_storage_key,
        role=row.role,
        created_at=row.timestamp,
        has_user=row.has_user,
        current_tier=row.current_tier,
        retention_expires_at=row.audio_retention_expires_at,
        size_bytes=row.audio_size_bytes,
        processing_state=row.audio_processing_state,
        held=row.held,
    )
