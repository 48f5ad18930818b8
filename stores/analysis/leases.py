"""Leases on messages: claim, renew, put back for a retry, release, recover.

All times are by the database's clock, the only one that all workers share (docs/adr/0011). Lock
`messages` before `lease`, in id order, to avoid deadlocks.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, Text, bindparam, text

from schema.facts.analysis import (
    Claim,
    ClaimedMessage,
    MessageRetry,
    QueuePosition,
    WaitingChunk,
)
from schema.tables.base import UtcDateTime

# "en-GB" becomes "en", as in the engine.
PRIMARY_LANGUAGE = "lower(trim(split_part(replace(c.target_language_id, '_', '-'), '-', 1)))"

# The tutor's turns are never analysed, even if the app uploads their audio.
#
# The planner cannot estimate how many messages are in a language or of erased learners, and a wrong
# estimate makes it abandon the index. OFFSET 0 forces one lookup per conversation, CASE fixes the
# estimate at half of the messages, and the OR keeps the tombstone check a filter.
_WAITING = f"""\
    FROM messages AS m
    CROSS JOIN LATERAL (
        SELECT c.user_id, c.target_language_id, {PRIMARY_LANGUAGE} AS language
        FROM conversations AS c WHERE c.id = m.conversation_id OFFSET 0
    ) AS c
    WHERE m.audio_processing_state = 'uploaded'
      AND m.audio_storage_key IS NOT NULL
      AND m.audio_deleted_at IS NULL
      AND m.role = 'user'
      AND CASE WHEN c.language = ANY(:languages) THEN {{covered}} ELSE NOT {{covered}} END
      AND NOT EXISTS (
          SELECT FROM audio_ops.lease AS l
          WHERE l.message_id = m.id AND l.available_at > statement_timestamp()
      )
      AND (c.user_id IS NULL OR NOT EXISTS (
          SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id
      ))"""  # noqa: S608 - our own fragments
_COVERED = _WAITING.format(covered="TRUE")
_UNCOVERED = _WAITING.format(covered="FALSE")

# Only audio_ops_messages_waiting_idx has this order. Without NULLS FIRST the planner, whose
# statistics lag behind a queue, may scan messages_timestamp_idx through all finished messages
# (docs/adr/0014).
_ORDER = "m.timestamp NULLS FIRST, m.id"

_CHUNKS = text(f"""
SELECT CASE WHEN said_at >= '0001-01-01' THEN said_at END AS said_at, id,
    least(:chunk_size, waiting - number + 1) AS size
FROM (
    SELECT said_at, id, row_number() OVER (ORDER BY said_at, id) AS number,
        count(*) OVER () AS waiting
    FROM (
        SELECT m.timestamp AS said_at, m.id
        {_COVERED}
        ORDER BY {_ORDER} LIMIT :limit
    ) AS queue
) AS numbered
WHERE (number - 1) % :chunk_size = 0
ORDER BY number
""").columns(said_at=UtcDateTime, id=Text)  # noqa: S608 - our own fragments

_COUNT_UNCOVERED = text(f"""
SELECT c.language, count(*)
{_UNCOVERED}
GROUP BY 1
""")

# Postgres rechecks rows that another worker claimed between our snapshot and our lock. The start is
# in a subquery to hide its value from the planner, which might otherwise expect few newer rows and
# read all of them by messages_timestamp_idx.
_CLAIM = text(f"""
WITH picked AS MATERIALIZED (
    SELECT m.id, m.timestamp, c.target_language_id, c.user_id
    {_COVERED}
      AND (m.timestamp, m.id) >= (
          (SELECT coalesce(CAST(:said_at AS timestamp), '-infinity')),
          (SELECT CAST(:first_id AS text))
      )
    ORDER BY {_ORDER}
    LIMIT :limit
    FOR NO KEY UPDATE OF m SKIP LOCKED
), taken AS (
    UPDATE messages AS m SET audio_processing_state = 'analyzing'
    FROM picked WHERE m.id = picked.id
    RETURNING m.id, m.timestamp, m.audio_storage_key, m.content, picked.target_language_id,
        picked.user_id, m.audio_format, m.audio_sample_rate, m.audio_channels
), leased AS (
    INSERT INTO audio_ops.lease AS l (message_id, token, owner, leased_until)
    SELECT id, :token, :owner, statement_timestamp() + :duration FROM taken
    ON CONFLICT (message_id) DO UPDATE
    SET token = excluded.token, owner = excluded.owner, leased_until = excluded.leased_until,
        available_at = NULL
    RETURNING l.message_id, l.attempts, l.crashes
)
SELECT taken.id, audio_storage_key, content, target_language_id,
    (SELECT u.native_language_id FROM users AS u WHERE u.id = taken.user_id),
    audio_format, audio_sample_rate, audio_channels, attempts, crashes
FROM taken JOIN leased ON leased.message_id = taken.id
ORDER BY taken.timestamp, taken.id
""").bindparams(bindparam("said_at", type_=UtcDateTime))  # noqa: S608 - our own fragments

_RENEW = text(
    "UPDATE audio_ops.lease SET leased_until = statement_timestamp() + :duration"
    " WHERE token = :token"
)

# Lock both rows: a lease taken over while we wait for `m` would otherwise look unchanged.
_LOCK_HELD = text("""
SELECT m.id
FROM messages AS m
JOIN audio_ops.lease AS l ON l.message_id = m.id
WHERE m.id = ANY(:message_ids) AND m.audio_processing_state = 'analyzing' AND l.token = :token
ORDER BY m.id
FOR NO KEY UPDATE OF m, l
""")

_PUT_BACK = text("""
WITH retry AS (
    SELECT * FROM unnest(
        CAST(:message_ids AS text[]), CAST(:delays AS interval[]),
        CAST(:attempts AS integer[]), CAST(:crashes AS integer[])
    ) AS r (message_id, delay, attempts, crashes)
), counted AS (
    UPDATE audio_ops.lease AS l
    SET token = NULL, owner = NULL, leased_until = NULL,
        available_at = statement_timestamp() + retry.delay,
        attempts = retry.attempts, crashes = retry.crashes
    FROM retry WHERE l.message_id = retry.message_id
    RETURNING l.message_id
)
UPDATE messages AS m SET audio_processing_state = 'uploaded'
FROM counted WHERE m.id = counted.message_id
""")

_RELEASE = """
WITH given_back AS MATERIALIZED (
    {rows}
), freed AS (
    UPDATE audio_ops.lease AS l SET token = NULL, owner = NULL, leased_until = NULL
    FROM given_back WHERE l.message_id = given_back.id
)
UPDATE messages AS m SET audio_processing_state = 'uploaded'
FROM given_back WHERE m.id = given_back.id
"""
_RELEASE_HELD = text(
    _RELEASE.format(
        rows="""
    SELECT m.id FROM messages AS m JOIN audio_ops.lease AS l ON l.message_id = m.id
    WHERE l.token = :token AND m.audio_processing_state = 'analyzing'
    ORDER BY m.id FOR NO KEY UPDATE OF m, l"""
    )
)
_RECOVER_EXPIRED = text(
    _RELEASE.format(
        rows="""
    SELECT m.id FROM messages AS m JOIN audio_ops.lease AS l ON l.message_id = m.id
    WHERE m.audio_processing_state = 'analyzing' AND l.leased_until < statement_timestamp()
    ORDER BY l.leased_until LIMIT :limit FOR NO KEY UPDATE OF m, l SKIP LOCKED"""
    )
)
_RECOVER_UNLEASED = text("""
WITH abandoned AS MATERIALIZED (
    SELECT m.id FROM messages AS m
    WHERE m.audio_processing_state = 'analyzing' AND m.role = 'user'
      AND m.timestamp < (statement_timestamp() - :unleased_age) AT TIME ZONE 'UTC'
      AND NOT EXISTS (
          SELECT FROM audio_ops.lease AS l WHERE l.message_id = m.id AND l.token IS NOT NULL
      )
    LIMIT :limit FOR NO KEY UPDATE OF m SKIP LOCKED
)
UPDATE messages AS m SET audio_processing_state = 'uploaded'
FROM abandoned WHERE m.id = abandoned.id
""")


def waiting_chunks(
    connection: Connection, *, languages: Collection[str], limit: int, chunk_size: int
) -> list[WaitingChunk]:
    """Split the oldest messages that can be claimed now into chunks.

    This scans once past older messages that wait but cannot be claimed, so that the claims of the
    chunks need not.

    Args:
        connection: In a transaction.
        languages: Primary languages that are analysed, in lower case, such as `en`.
        limit: Maximum number of messages in all chunks together.
        chunk_size: Messages per chunk; the last one may be smaller.
    """
    arguments = {"languages": list(languages), "limit": limit, "chunk_size": chunk_size}
    return [
        WaitingChunk(QueuePosition(row.said_at, row.id), row.size)
        for row in connection.execute(_CHUNKS, arguments)
    ]


def count_uncovered(connection: Connection, languages: Collection[str]) -> Counter[str]:
    """Count, by language, the messages that are not analysed only because of their language.

    Reads all waiting messages.

    Args:
        connection: In a transaction.
        languages: Primary languages that are analysed, in lower case, such as `en`.
    """
    rows = connection.execute(_COUNT_UNCOVERED, {"languages": list(languages)})
    return Counter(dict(rows.tuples().all()))


def claim(
    connection: Connection,
    *,
    languages: Collection[str],
    limit: int,
    owner: str,
    duration: timedelta,
    start: QueuePosition | None = None,
    token: UUID | None = None,
) -> Claim | None:
    """Claim the oldest waiting messages under a new lease and set them to `analyzing`.

    Messages whose retry delay is not over and rows that other workers are claiming are skipped. The
    cost depends on `limit`, not on the length of the queue; each row skipped after `start` adds a
    few microseconds.

    Args:
        connection: In a transaction; other workers see the claim after its commit.
        languages: Primary languages that are analysed, in lower case, such as `en`; messages in
            other languages keep waiting.
        limit: Maximum number of messages.
        owner: Name of the worker, for people who inspect the table.
        duration: Time until the lease expires unless renewed.
        start: Skip messages before this position; None starts at the oldest.
        token: Names the lease; None: a new one.

    Returns:
        The messages, oldest first, or None if none can be claimed.
    """
    token = token or uuid4()
    arguments = {
        "languages": list(languages),
        "said_at": start and start.said_at,
        "first_id": start.message_id if start else "",
        "limit": limit,
        "token": token,
        "owner": owner,
        "duration": duration,
    }
    rows = connection.execute(_CLAIM, arguments)
    claimed = tuple(ClaimedMessage(*row) for row in rows)
    return Claim(token, claimed) if claimed else None


def renew(connection: Connection, token: UUID, duration: timedelta) -> int:
    """Extend the lease to `duration` from now; return how many messages it still holds."""
    return connection.execute(_RENEW, {"token": token, "duration": duration}).rowcount


def lock_held(connection: Connection, token: UUID, message_ids: Sequence[str]) -> set[str]:
    """Lock and return the messages that this lease still holds, until the transaction ends.

    Call it first in the transaction that writes results, and write only for the messages it
    returns: others have been deleted or taken over. An expired lease still holds its messages until
    another worker takes them over.
    """
    rows = connection.execute(_LOCK_HELD, {"token": token, "message_ids": list(message_ids)})
    return set(rows.scalars())


def put_back(connection: Connection, token: UUID, retries: Iterable[MessageRetry]) -> int:
    """Put messages back to be retried after a delay; return how many were still held.

    Args:
        connection: In a transaction.
        token: The lease that holds them.
        retries: Delay and new counters of each message.
    """
    by_id = {retry.message_id: retry for retry in retries}
    held = [by_id[message_id] for message_id in lock_held(connection, token, list(by_id))]
    if held:
        arguments = {
            "message_ids": [retry.message_id for retry in held],
            "delays": [retry.delay for retry in held],
            "attempts": [retry.attempts for retry in held],
            "crashes": [retry.crashes for retry in held],
        }
        connection.execute(_PUT_BACK, arguments)
    return len(held)


def release(connection: Connection, token: UUID) -> int:
    """Release all messages of this lease without changing their counters; return how many."""
    return connection.execute(_RELEASE_HELD, {"token": token}).rowcount


def recover_stale(
    connection: Connection,
    *,
    limit: int,
    unleased_age: timedelta,
) -> int:
    """Release messages stuck in `analyzing` because their worker died; return how many.

    This does not count as a failed attempt: workers die for many reasons. A crash that a message
    caused is counted where it is detected.

    Args:
        connection: In a transaction.
        limit: Maximum number of messages of each kind: with an expired lease, and without one.
        unleased_age: Messages in `analyzing` without a lease belong to another system, which may
            still be working. They are recovered when they are older than this, by their
            timestamp: `messages` does not record when the state changed.
    """
    expired = connection.execute(_RECOVER_EXPIRED, {"limit": limit})
    unleased = connection.execute(_RECOVER_UNLEASED, {"limit": limit, "unleased_age": unleased_age})
    return expired.rowcount + unleased.rowcount
