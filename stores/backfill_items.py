"""The messages of a backfill: who analyses which, what each said before, what became of it.

Leases as in `stores.leases`, on the database's clock (docs/adr/0011). Whoever locks both locks
`messages` before `backfill_item`, in the order of the messages' ids; a claim waits for no lock.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from schema.backfill import BackfillProgress, EngineRelease, Rescored
from schema.states import BackfillOutcome
from schema.values import Claim, ClaimedMessage
from stores.backfills import IS_NEWER, release_arguments

_OPEN = """i.backfill_id = :backfill_id AND i.outcome IS NULL
        AND (i.leased_until IS NULL OR i.leased_until < statement_timestamp())
        AND (i.available_at IS NULL OR i.available_at <= statement_timestamp())"""
_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT i.id FROM audio_ops.backfill_item AS i
    WHERE {open} AND {sample} AND EXISTS (
        SELECT FROM audio_ops.backfill AS b
        WHERE b.id = :backfill_id AND b.stopped_at IS NULL AND b.undone_at IS NULL
    )
    ORDER BY i.id
    LIMIT :limit
    FOR NO KEY UPDATE OF i SKIP LOCKED
), leased AS (
    UPDATE audio_ops.backfill_item AS i
    SET token = :token, owner = :owner, leased_until = statement_timestamp() + :duration,
        available_at = NULL
    FROM picked WHERE i.id = picked.id
    RETURNING i.id, i.message_id, i.language, i.attempts, i.crashes
)
SELECT m.id, coalesce(m.audio_storage_key, ''), m.content, leased.language, m.audio_format,
    m.audio_sample_rate, m.audio_channels, leased.attempts, leased.crashes
FROM leased JOIN messages AS m ON m.id = leased.message_id
ORDER BY leased.id
"""
_CLAIM_ANY, _CLAIM_CANARY = (
    text(_CLAIM.format(open=_OPEN, sample=sample)) for sample in ("TRUE", "i.is_canary")
)
_RENEW = text("""
UPDATE audio_ops.backfill_item SET leased_until = statement_timestamp() + :duration
WHERE token = :token
""")

# As `leases.lock_held`: both rows, so that neither changes before the transaction ends.
_LOCK_HELD = text("""
SELECT m.id
FROM messages AS m
JOIN audio_ops.backfill_item AS i ON i.message_id = m.id
WHERE i.token = :token AND i.outcome IS NULL
ORDER BY m.id
FOR NO KEY UPDATE OF m, i
""")
_FATES = text(f"""
SELECT m.id, CASE
        WHEN m.audio_storage_key IS NULL OR m.audio_deleted_at IS NOT NULL OR EXISTS (
            SELECT FROM audio_ops.deletion_ledger AS d
            WHERE d.state = 'intended'
                AND d.key_sha256 = sha256(convert_to(m.audio_storage_key, 'UTF8'))
        ) THEN 'gone'
        WHEN m.audio_processing_state IS NULL
            OR m.audio_processing_state NOT IN ('analyzed', 'failed') THEN 'live'
        WHEN {IS_NEWER} THEN 'newer'
    END AS fate
FROM messages AS m LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE m.id = ANY(:message_ids)
""")  # noqa: S608 - our own fragment

# `previous` of an item that was tried before stays: it is what was there before the backfill.
_KEEP_PREVIOUS = text("""
UPDATE audio_ops.backfill_item AS i
SET previous = jsonb_build_object(
        'message', jsonb_build_object(
            'audio_processing_state', m.audio_processing_state,
            'audio_processing_error', m.audio_processing_error,
            'pronunciation_score', m.pronunciation_score,
            'fluency_score', m.fluency_score,
            'speech_rate_wpm', m.speech_rate_wpm
        ),
        'analysis', to_jsonb(a)
    ),
    accuracy_before = a.overall_accuracy_score, fluency_before = a.overall_fluency_score
FROM messages AS m LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE i.token = :token AND i.message_id = m.id AND m.id = ANY(:message_ids) AND i.previous IS NULL
""")
_FINISH = text("""
UPDATE audio_ops.backfill_item AS i
SET outcome = done.outcome, cause = done.cause, done_at = statement_timestamp(),
    accuracy_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_accuracy_score END,
    fluency_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_fluency_score END,
    audio_ms = done.audio_ms, cpu_ms = done.cpu_ms,
    analyzed_at = CASE WHEN i.previous IS NOT NULL THEN a.analyzed_at AT TIME ZONE 'UTC' END,
    token = NULL, owner = NULL, leased_until = NULL
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:outcomes AS text[]), CAST(:causes AS text[]),
    CAST(:audio_ms AS integer[]), CAST(:cpu_ms AS integer[])
) AS done (message_id, outcome, cause, audio_ms, cpu_ms)
LEFT JOIN message_audio_analysis AS a ON a.message_id = done.message_id
WHERE i.token = :token AND i.message_id = done.message_id
""")
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

_PROGRESS = text("""
SELECT outcome, cause, count(*) AS messages,
    coalesce(sum(audio_ms), 0) AS audio_ms, coalesce(sum(cpu_ms), 0) AS cpu_ms
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND (:all OR is_canary)
GROUP BY outcome, cause
""")
_SELECTED = text("SELECT selected FROM audio_ops.backfill WHERE id = :backfill_id")
_NEXT = text("""
SELECT min(coalesce(greatest(i.leased_until, i.available_at), statement_timestamp()))
    - statement_timestamp()
FROM audio_ops.backfill_item AS i
JOIN audio_ops.backfill AS b ON b.id = i.backfill_id
WHERE i.backfill_id = :backfill_id AND i.outcome IS NULL AND (:all OR i.is_canary)
    AND b.stopped_at IS NULL AND b.undone_at IS NULL
""")
_IN_QUARANTINE = text("""
SELECT count(*) FROM audio_ops.backfill_item AS i
WHERE i.backfill_id = :backfill_id AND EXISTS (
    SELECT FROM audio_ops.quarantine AS q
    WHERE q.message_id = i.message_id AND q.released_at IS NULL
)
""")
_RESCORED = text("""
SELECT message_id, language, accuracy_before, accuracy_after, fluency_before, fluency_after
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND (:all OR is_canary)
    AND num_nulls(accuracy_before, accuracy_after, fluency_before, fluency_after) = 0
ORDER BY id
""")


def claim(
    connection: Connection,
    backfill_id: int,
    *,
    limit: int,
    owner: str,
    duration: timedelta,
    canary: bool = False,
) -> Claim | None:
    """Take the next messages of a backfill under a new lease.

    Nothing is claimed of a backfill that is stopped or undone.

    Args:
        connection: In a transaction; others see the claim at its commit.
        backfill_id: Which.
        limit: Most messages to take.
        owner: Who takes them, for people who look into the table.
        duration: How long they are ours unless renewed.
        canary: Only of the first sample.

    Returns:
        The messages, or None when nothing can be claimed now.
    """
    token = uuid4()
    arguments = {
        "backfill_id": backfill_id,
        "limit": limit,
        "token": token,
        "owner": owner,
        "duration": duration,
    }
    rows = connection.execute(_CLAIM_CANARY if canary else _CLAIM_ANY, arguments)
    claimed = tuple(ClaimedMessage(*row) for row in rows)
    return Claim(token, claimed) if claimed else None


def renew(connection: Connection, token: UUID, duration: timedelta) -> int:
    """Let the lease last `duration` from now; return how many messages it still holds."""
    return connection.execute(_RENEW, {"token": token, "duration": duration}).rowcount


def lock_held(
    connection: Connection, token: UUID, release: EngineRelease
) -> dict[str, BackfillOutcome | None]:
    """Lock, until the transaction ends, the messages that this lease still holds.

    Call it first in the transaction that writes results.

    Returns:
        By message id None, or why nothing may be written to it any more: its audio is gone, the
        live pipeline has it, a newer version has analysed it.
    """
    held = list(connection.execute(_LOCK_HELD, {"token": token}).scalars())
    if not held:
        return {}
    # Asked under the locks, in a statement of its own: what others committed meanwhile shows.
    rows = connection.execute(_FATES, release_arguments(release) | {"message_ids": held})
    return {row.id: row.fate and BackfillOutcome(row.fate) for row in rows}


def keep_previous(connection: Connection, token: UUID, message_ids: Sequence[str]) -> None:
    """Keep what messages and analyses say now, so that it can be put back; held messages only."""
    connection.execute(_KEEP_PREVIOUS, {"token": token, "message_ids": list(message_ids)})


def finish(
    connection: Connection,
    token: UUID,
    done: Iterable[tuple[str, BackfillOutcome, str | None, int | None, int | None]],
) -> None:
    """Note what became of held messages, and end their leases.

    Args:
        connection: In the transaction that wrote what is said here.
        token: The lease.
        done: Message id, outcome, cause of a failure, length of the audio and time taken, ms.
    """
    rows = list(done)
    if rows:
        names = ("message_ids", "outcomes", "causes", "audio_ms", "cpu_ms")
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(_FINISH, dict(zip(names, columns, strict=True)) | {"token": token})


def put_back(
    connection: Connection, token: UUID, retries: Iterable[tuple[str, timedelta, int, int]]
) -> None:
    """Let held messages that failed for now wait for another try; arguments as for leases."""
    rows = list(retries)
    if rows:
        names = ("message_ids", "delays", "attempts", "crashes")
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(_PUT_BACK, dict(zip(names, columns, strict=True)) | {"token": token})


def release(connection: Connection, token: UUID) -> int:
    """Give back every message this lease holds, its counters kept; return how many."""
    return connection.execute(_RELEASE, {"token": token}).rowcount


def progress(connection: Connection, backfill_id: int, *, canary: bool = False) -> BackfillProgress:
    """Count how far a backfill, or its first sample alone, has come."""
    arguments = {"backfill_id": backfill_id, "all": not canary}
    rows = connection.execute(_PROGRESS, arguments).all()
    outcomes: Counter[BackfillOutcome] = Counter()
    causes: Counter[str] = Counter()
    for row in rows:
        if row.outcome is not None:
            outcomes[BackfillOutcome(row.outcome)] += row.messages
        if row.cause is not None:
            causes[row.cause] += row.messages
    there = sum(row.messages for row in rows)
    selected = connection.execute(_SELECTED, {"backfill_id": backfill_id}).scalar_one()
    if not canary:  # rows go with their messages
        outcomes[BackfillOutcome.GONE] += selected - there
    return BackfillProgress(
        selected=there if canary else selected,
        outcomes=+outcomes,
        open=sum(row.messages for row in rows if row.outcome is None),
        causes=causes,
        audio_seconds=sum(int(row.audio_ms) for row in rows) / 1000,
        cpu_seconds=sum(int(row.cpu_ms) for row in rows) / 1000,
    )


def wait_for(connection: Connection, backfill_id: int, *, canary: bool = False) -> timedelta | None:
    """Return how long until something can be claimed, zero or less: now; None: never.

    A message that is being analysed counts as claimable when its lease ends. Nothing is claimed of
    a backfill that is stopped or undone.
    """
    arguments = {"backfill_id": backfill_id, "all": not canary}
    wait: timedelta | None = connection.execute(_NEXT, arguments).scalar_one()
    return wait


def in_quarantine(connection: Connection, backfill_id: int) -> int:
    """Count the messages of a backfill with an open case of quarantine."""
    arguments = {"backfill_id": backfill_id}
    return int(connection.execute(_IN_QUARANTINE, arguments).scalar_one())


def rescored(connection: Connection, backfill_id: int, *, canary: bool = False) -> list[Rescored]:
    """Return the scores before and after of all messages that have both, in the order of work."""
    arguments = {"backfill_id": backfill_id, "all": not canary}
    return [Rescored(*row) for row in connection.execute(_RESCORED, arguments)]
