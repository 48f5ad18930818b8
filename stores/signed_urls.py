"""Signed URLs of live recordings: keyset scan and bulk update.

The scan uses `audio_ops_messages_expiring_idx`, which the sweep needs anyway. An index on
`audio_url_expires_at` would find expiring URLs faster, but each write would cost several times
more, because Postgres could no longer use HOT updates (docs/adr/0051).
"""

from collections.abc import Iterable
from datetime import datetime

import orjson
from sqlalchemy import Connection, Text, bindparam, text
from sqlalchemy.exc import DBAPIError, OperationalError

from schema.errors.base import DatabaseRefused
from schema.facts.urls import MessageSpan, ScanPosition, SignableMessage
from schema.tables.base import UtcDateTime
from stores.readable import is_readable

_LIVE = "m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL"
_ORDER = "m.audio_retention_expires_at NULLS FIRST, m.id"

# Rows without an expiry come first in the index, but row comparison skips NULLs: two scans.
_WITHOUT_EXPIRY = "m.audio_retention_expires_at IS NULL"
_EXPIRY_IS_READABLE = is_readable("m.audio_retention_expires_at")
_WITH_EXPIRY = f"m.audio_retention_expires_at >= :ended_before AND {_EXPIRY_IS_READABLE}"

_COUNT = text(f"""
SELECT count(*) FILTER (
        WHERE m.audio_retention_expires_at < :ended_before AND {_EXPIRY_IS_READABLE}
    ) AS due,
    count(*) FILTER (
        WHERE m.audio_retention_expires_at IS NULL OR {_WITH_EXPIRY}
    ) AS live
FROM messages AS m WHERE {_LIVE}
""").bindparams(bindparam("ended_before", type_=UtcDateTime))  # noqa: S608 - our own fragment

_SPAN_ENDS = """
SELECT retention_expires_at, id
FROM (
    SELECT m.audio_retention_expires_at AS retention_expires_at, m.id,
        row_number() OVER walk AS number, lead(m.id) OVER walk IS NULL AS is_last
    FROM messages AS m WHERE {live} AND {part}
    WINDOW walk AS (ORDER BY {order})
) AS walked
WHERE is_last OR number % :rows_per_span = 0
ORDER BY number
"""
_SPAN_ENDS_WITHOUT_EXPIRY, _SPAN_ENDS_WITH_EXPIRY = (
    text(_SPAN_ENDS.format(live=_LIVE, part=part, order=_ORDER)).columns(
        retention_expires_at=UtcDateTime, id=Text
    )
    for part in (_WITHOUT_EXPIRY, _WITH_EXPIRY)
)

# An unreadable one does not say when the URL expires, so a new URL is signed.
_URL_TIME_IS_READABLE = is_readable("m.audio_url_expires_at")
_COLUMNS = f"""m.id, m.conversation_id, m.audio_storage_key, m.audio_retention_expires_at,
    CASE WHEN m.audio_url IS NOT NULL AND {_URL_TIME_IS_READABLE}
        THEN m.audio_url_expires_at END AS url_expires_at,
    EXISTS (
        SELECT FROM audio_ops.deletion_ledger AS d
        WHERE d.state = 'intended'
            AND d.key_sha256 = sha256(convert_to(m.audio_storage_key, 'UTF8'))
    ) OR EXISTS (
        SELECT FROM conversations AS c JOIN audio_ops.erased_learner AS e ON e.user_id = c.user_id
        WHERE c.id = m.conversation_id
    ) AS deletion_begun,
    CAST(m.xmin AS text) AS version"""  # noqa: S608 - our own fragment
_PAGE = """
SELECT {columns}
FROM messages AS m
WHERE {live} AND {part}
ORDER BY {order}
LIMIT :limit
"""
_ONE = """
SELECT {columns}, m.audio_deleted_at IS NOT NULL AS is_deleted
FROM messages AS m
WHERE m.id = :message_id
"""
_INSTANTS = {"audio_retention_expires_at": UtcDateTime, "url_expires_at": UtcDateTime}
_ONE_MESSAGE = text(_ONE.format(columns=_COLUMNS)).columns(**_INSTANTS)
_PAGE_WITHOUT_EXPIRY = text(
    _PAGE.format(
        columns=_COLUMNS,
        live=_LIVE,
        part=f"{_WITHOUT_EXPIRY} AND m.id > :after_id AND m.id <= :last_id",
        order=_ORDER,
    )
).columns(**_INSTANTS)
_PAGE_WITH_EXPIRY = (
    text(
        _PAGE.format(
            columns=_COLUMNS,
            live=_LIVE,
            part="(m.audio_retention_expires_at, m.id) > (:after_expiry, :after_id)"
            " AND (m.audio_retention_expires_at, m.id) <= (:last_expiry, :last_id)",
            order=_ORDER,
        )
    )
    .columns(**_INSTANTS)
    .bindparams(
        bindparam("after_expiry", type_=UtcDateTime), bindparam("last_expiry", type_=UtcDateTime)
    )
)

# `xmin` identifies the transaction that wrote this version of the row: it differs if the row has
# changed since it was read, even by a commit while we wait for its lock. One JSON document is sent
# in half the time of arrays.
_WRITE = text("""
UPDATE messages AS m
SET audio_url = signed.url,
    audio_url_expires_at = :signed_at + signed.seconds * interval '1 second'
FROM json_to_recordset(CAST(:signed AS json)) AS signed (
    id text, version xid, key text, url text, seconds integer
)
WHERE m.id = signed.id AND m.xmin = signed.version
  AND m.audio_storage_key = signed.key AND m.audio_deleted_at IS NULL
""").bindparams(bindparam("signed_at", type_=UtcDateTime))

_ACTIVE = text("""
WITH spoke AS (
    SELECT DISTINCT c.id, c.user_id
    FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
    WHERE m.timestamp >= :since
)
SELECT id FROM spoke
UNION
SELECT c.id FROM conversations AS c WHERE c.user_id IN (SELECT user_id FROM spoke)
""").bindparams(bindparam("since", type_=UtcDateTime))


def count_live(connection: Connection, ended_before: datetime) -> tuple[int, int]:
    """Return the numbers of messages with a recording: to keep, and due for deletion.

    Messages whose expiry is no date are left out.

    Args:
        connection: In a transaction.
        ended_before: Recordings whose retention ended before this instant are due.
    """
    row = connection.execute(_COUNT, {"ended_before": ended_before}).one()
    return row.live, row.due


def spans(
    connection: Connection, ended_before: datetime, *, rows_per_span: int
) -> list[MessageSpan]:
    """Split the messages with a recording into spans, in order of expiry.

    Args:
        connection: In a transaction.
        ended_before: Messages whose retention ended before this instant are skipped.
        rows_per_span: Messages per span. Messages with and without an expiry are split
            separately; the last span of each may be smaller.
    """
    arguments = {"ended_before": ended_before, "rows_per_span": rows_per_span}
    found = []
    for ends, start in (
        (_SPAN_ENDS_WITHOUT_EXPIRY, ScanPosition(None, "")),
        (_SPAN_ENDS_WITH_EXPIRY, ScanPosition(ended_before, "")),
    ):
        after = start
        for row in connection.execute(ends, arguments):
            last = ScanPosition(*row)
            found.append(MessageSpan(after, last))
            after = last
    return found


def page(connection: Connection, span: MessageSpan, *, limit: int) -> list[SignableMessage]:
    """Read the first messages of a span.

    Args:
        connection: In a transaction.
        span: For the next page, start after the last message read.
        limit: Maximum number of messages.
    """
    arguments: dict[str, object] = {
        "after_id": span.after.message_id,
        "last_id": span.last.message_id,
        "limit": limit,
    }
    statement = _PAGE_WITHOUT_EXPIRY
    if span.last.retention_expires_at is not None:
        statement = _PAGE_WITH_EXPIRY
        arguments["after_expiry"] = span.after.retention_expires_at
        arguments["last_expiry"] = span.last.retention_expires_at
    rows = connection.execute(statement, arguments)
    return [SignableMessage(*row) for row in rows]


def one(connection: Connection, message_id: str) -> tuple[SignableMessage, bool] | None:
    """Return a message with a recording, and whether that is deleted; None if there is none."""
    row = connection.execute(_ONE_MESSAGE, {"message_id": message_id}).one_or_none()
    if row is None or row.audio_storage_key is None:
        return None
    *message, is_deleted = row
    return SignableMessage(*message), is_deleted


def active_conversations(connection: Connection, since: datetime) -> frozenset[str]:
    """Return the conversations of learners and guests who sent a message since `since`."""
    return frozenset(connection.execute(_ACTIVE, {"since": since}).scalars())


def write(
    connection: Connection,
    signed_at: datetime,
    signed: Iterable[tuple[SignableMessage, str, int]],
) -> int:
    """Write URLs to messages that have not changed since they were read; return how many.

    Args:
        connection: In a transaction.
        signed_at: The date in the signatures, whole seconds.
        signed: Message, its URL, and the URL's lifetime in seconds.

    Raises:
        DatabaseRefused: If the database rejects them.
    """
    rows = [
        {
            "id": message.message_id,
            "version": message.version,
            "key": message.storage_key,
            "url": url,
            "seconds": seconds,
        }
        # In id order, as every writer locks messages, to avoid deadlocks.
        for message, url, seconds in sorted(signed, key=lambda row: row[0].message_id)
    ]
    if not rows:
        return 0
    arguments = {"signed_at": signed_at, "signed": orjson.dumps(rows).decode()}
    try:
        return connection.execute(_WRITE, arguments).rowcount
    except OperationalError:
        raise  # connection or lock trouble: it quotes no row
    except DBAPIError as error:
        refusal = DatabaseRefused("write signed URLs", getattr(error.orig, "sqlstate", None))
    raise refusal  # without its cause, which quotes the row: a URL and the learner's text
