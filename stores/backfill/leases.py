"""Leases on the messages of a backfill: claim, renew, lock for writing, put back, release.

As in `stores.analysis.leases`, times are by the database's clock (docs/adr/0011). Writers lock
`messages`, then `backfill_item`, in order of message ids; a claim waits for no lock.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from schema.facts.analysis import ClaimedMessage, EngineRelease, MessageRetry
from schema.facts.backfill import BackfillClaim
from schema.states import BackfillOutcome
from stores.backfill.backfills import ALLOW_LONG_STATEMENTS
from stores.backfill.selection import IS_NEWER, release_arguments

# Why a message must not be written any more, else NULL. The live pipeline may have changed the
# recording, the state or the analysis since the claim, which recorded all three.
_FATE = f"""CASE
        WHEN m.audio_storage_key IS NULL OR m.audio_deleted_at IS NOT NULL
            OR EXISTS (
                SELECT FROM audio_ops.deletion_ledger AS d
                WHERE d.state = 'intended'
                    AND d.key_sha256 = sha256(convert_to(m.audio_storage_key, 'UTF8'))
            )
            OR EXISTS (
                SELECT FROM conversations AS c
                JOIN audio_ops.erased_learner AS e ON e.user_id = c.user_id
                WHERE c.id = m.conversation_id
            ) THEN 'gone'
        WHEN m.audio_processing_state IS NULL
            OR m.audio_processing_state NOT IN ('analyzed', 'failed') THEN 'live'
        WHEN {IS_NEWER} THEN 'newer'
        WHEN a.analyzed_at AT TIME ZONE 'UTC' > b.created_at
            OR i.storage_key IS DISTINCT FROM m.audio_storage_key
            OR i.message_state IS DISTINCT FROM m.audio_processing_state
            OR i.seen_at IS DISTINCT FROM a.analyzed_at AT TIME ZONE 'UTC' THEN 'live'
    END"""  # noqa: S608 - our own fragments
CLAIMED_ROWS = """audio_ops.backfill_item AS i
JOIN audio_ops.backfill AS b ON b.id = i.backfill_id
JOIN messages AS m ON m.id = i.message_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id"""

_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT i.id FROM audio_ops.backfill_item AS i
    WHERE i.backfill_id = :backfill_id AND i.outcome IS NULL AND {sample}
        AND (i.leased_until IS NULL OR i.leased_until < statement_timestamp())
        AND (i.available_at IS NULL OR i.available_at <= statement_timestamp())
        AND EXISTS (
            SELECT FROM audio_ops.backfill AS b
            WHERE b.id = :backfill_id AND b.frozen_at IS NOT NULL AND {approved}
                AND num_nonnulls(b.stopped_at, b.undone_at, b.released_at) = 0
        )
    ORDER BY {order}
    LIMIT :limit
    FOR NO KEY UPDATE OF i SKIP LOCKED
)
UPDATE audio_ops.backfill_item AS i
SET token = :token, owner = :owner, leased_until = statement_timestamp() + :duration,
    available_at = NULL, storage_key = m.audio_storage_key,
    message_state = m.audio_processing_state, seen_at = a.analyzed_at AT TIME ZONE 'UTC'
FROM picked
JOIN audio_ops.backfill_item AS same ON same.id = picked.id
JOIN messages AS m ON m.id = same.message_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE i.id = picked.id
"""
_CLAIM_ANY = text(
    _CLAIM.format(sample="TRUE", approved="b.approved_by IS NOT NULL", order="i.id NULLS FIRST")
)
_CLAIM_CANARY = text(_CLAIM.format(sample="i.is_canary", approved="TRUE", order="i.id"))
_PASS_OVER = text(f"""
UPDATE audio_ops.backfill_item AS done
SET outcome = fated.fate, done_at = statement_timestamp(),
    token = NULL, owner = NULL, leased_until = NULL
FROM (SELECT i.id, {_FATE} AS fate FROM {CLAIMED_ROWS} WHERE i.token = :token) AS fated
WHERE done.id = fated.id AND fated.fate IS NOT NULL
""")  # noqa: S608 - our own fragments
_CLAIMED = text("""
SELECT m.id AS message_id, m.audio_storage_key AS storage_key, m.content AS text,
    c.target_language_id AS language,
    (SELECT u.native_language_id FROM users AS u WHERE u.id = c.user_id) AS native_language,
    m.audio_format, m.audio_sample_rate AS sample_rate_hz, m.audio_channels AS channels,
    i.attempts, i.crashes
FROM audio_ops.backfill_item AS i
JOIN messages AS m ON m.id = i.message_id
JOIN conversations AS c ON c.id = m.conversation_id
WHERE i.token = :token
ORDER BY i.id
""")
_RENEW = text("""
UPDATE audio_ops.backfill_item SET leased_until = statement_timestamp() + :duration
WHERE token = :token
""")

# Both rows, as in `stores.analysis.leases`, so that neither changes before the transaction ends.
_LOCK_HELD = text("""
SELECT m.id
FROM messages AS m
JOIN audio_ops.backfill_item AS i ON i.message_id = m.id
WHERE i.token = :token AND i.outcome IS NULL
ORDER BY m.id
FOR NO KEY UPDATE OF m, i
""")
_FATES = text(
    f"SELECT m.id, {_FATE} AS fate FROM {CLAIMED_ROWS} WHERE i.token = :token AND i.outcome IS NULL"  # noqa: S608 - our own fragments
)

_PUT_BACK = text("""
UPDATE audio_ops.backfill_item AS i
SET token = NULL, owner = NULL, leased_until = NULL,
    available_at = statement_timestamp() + retry.delay,
    attempts = retry.attempts, crashes = retry.crashes
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:delays AS interval[]),
    CAST(:attempts AS integer[]), CAST(:crashes AS integer[])
) AS retry (message_id, delay, attempts, crashes)
WHERE i.token = :token AND i.message_id = retry.message_id
""")
_RELEASE = text("""
UPDATE audio_ops.backfill_item SET token = NULL, owner = NULL, leased_until = NULL
WHERE token = :token
""")

_NEXT = """
SELECT min(coalesce(greatest(i.leased_until, i.available_at), statement_timestamp()))
    - statement_timestamp()
FROM audio_ops.backfill_item AS i
JOIN audio_ops.backfill AS b ON b.id = i.backfill_id
WHERE i.backfill_id = :backfill_id AND i.outcome IS NULL AND {sample} AND {approved}
    AND num_nonnulls(b.stopped_at, b.undone_at, b.released_at) = 0
"""
_NEXT_ANY = text(_NEXT.format(sample="TRUE", approved="b.approved_by IS NOT NULL"))
_NEXT_CANARY = text(_NEXT.format(sample="i.is_canary", approved="TRUE"))


def claim(
    connection: Connection,
    backfill_id: int,
    release: EngineRelease,
    *,
    limit: int,
    owner: str,
    duration: timedelta,
    canary: bool = False,
    token: UUID | None = None,
) -> BackfillClaim | None:
    """Claim the next messages of a backfill under a new lease.

    Nothing can be claimed from a backfill that is not frozen, or is stopped, undone or released;
    before approval, only its first sample can. Messages that no longer need an analysis (see
    `lock_held`) are finished at once.

    Args:
        connection: In a transaction; other workers see the claim after its commit.
        backfill_id: The backfill.
        release: The engine that will analyse them.
        limit: Maximum number of messages.
        owner: Name of the worker, for people who inspect the table.
        duration: Time until the lease expires unless renewed.
        canary: Claim only from the first sample.
        token: Names the lease; None: a new one.

    Returns:
        The messages, or None if none can be claimed now.
    """
    token = token or uuid4()
    arguments = {
        "backfill_id": backfill_id,
        "limit": limit,
        "token": token,
        "owner": owner,
        "duration": duration,
    }
    if not connection.execute(_CLAIM_CANARY if canary else _CLAIM_ANY, arguments).rowcount:
        return None
    held = release_arguments(release) | {"token": token}
    passed_over = connection.execute(_PASS_OVER, held).rowcount
    rows = connection.execute(_CLAIMED, {"token": token}).mappings()
    return BackfillClaim(token, tuple(ClaimedMessage(**row) for row in rows), passed_over)


def renew(connection: Connection, token: UUID, duration: timedelta) -> int:
    """Extend the lease to `duration` from now; return how many messages it still holds."""
    return connection.execute(_RENEW, {"token": token, "duration": duration}).rowcount


def lock_held(
    connection: Connection, token: UUID, release: EngineRelease
) -> dict[str, BackfillOutcome | None]:
    """Lock and return the messages that this lease still holds, until the transaction ends.

    Call it first in the transaction that writes results.

    Returns:
        By message id: None, or why it must not be written any more. Its audio is deleted or about
        to be, the live pipeline has changed it, or a newer version has analysed it.
    """
    held = set(connection.execute(_LOCK_HELD, {"token": token}).scalars())
    if not held:
        return {}
    # A second statement, under the locks, sees what others have committed in the meantime.
    rows = connection.execute(_FATES, release_arguments(release) | {"token": token})
    return {row.id: row.fate and BackfillOutcome(row.fate) for row in rows if row.id in held}


def put_back(connection: Connection, token: UUID, retries: Collection[MessageRetry]) -> None:
    """Put held messages back to be retried after a delay."""
    if retries:
        arguments = {
            "token": token,
            "message_ids": [retry.message_id for retry in retries],
            "delays": [retry.delay for retry in retries],
            "attempts": [retry.attempts for retry in retries],
            "crashes": [retry.crashes for retry in retries],
        }
        connection.execute(_PUT_BACK, arguments)


def release(connection: Connection, token: UUID) -> int:
    """Release all messages of this lease without changing their counters; return how many."""
    return connection.execute(_RELEASE, {"token": token}).rowcount


def time_until_claimable(
    connection: Connection, backfill_id: int, *, canary: bool = False
) -> timedelta | None:
    """Return the time until a message can be claimed: zero or less for now, None for never.

    A message that is being analysed counts as claimable when its lease expires.
    """
    connection.execute(ALLOW_LONG_STATEMENTS)
    statement = _NEXT_CANARY if canary else _NEXT_ANY
    wait: timedelta | None = connection.execute(
        statement, {"backfill_id": backfill_id}
    ).scalar_one()
    return wait
