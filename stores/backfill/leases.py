"""The messages of a backfill: who analyses which, what each said before, what became of it.

Leases as in `stores.analysis.leases`, on the database's clock (docs/adr/0011). What is written to
messages is written under locks on `messages`, then on `backfill_item`, in the order of the
messages' ids; a claim waits for no lock.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from schema.facts.analysis import ClaimedMessage
from schema.facts.backfill import (
    BackfillClaim,
    BackfillProgress,
    EngineRelease,
    Rescored,
    RescoredMessage,
)
from schema.states import BackfillOutcome
from stores.backfill.backfills import IS_NEWER, LONG, release_arguments

# Why nothing may be written to a message any more; NULL: it may. `seen` is what stood when it was
# claimed: the recording, the state or the analysis may have changed since, in the live pipeline.
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
_HELD = """audio_ops.backfill_item AS i
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
FROM (SELECT i.id, {_FATE} AS fate FROM {_HELD} WHERE i.token = :token) AS fated
WHERE done.id = fated.id AND fated.fate IS NOT NULL
""")  # noqa: S608 - our own fragments
_CLAIMED = text("""
SELECT m.id, m.audio_storage_key, m.content, c.target_language_id, m.audio_format,
    m.audio_sample_rate, m.audio_channels, i.attempts, i.crashes
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

# As `leases.lock_held`: both rows, so that neither changes before the transaction ends.
_LOCK_HELD = text("""
SELECT m.id
FROM messages AS m
JOIN audio_ops.backfill_item AS i ON i.message_id = m.id
WHERE i.token = :token AND i.outcome IS NULL
ORDER BY m.id
FOR NO KEY UPDATE OF m, i
""")
_FATES = text(
    f"SELECT m.id, {_FATE} AS fate FROM {_HELD} WHERE i.token = :token AND i.outcome IS NULL"  # noqa: S608 - our own fragments
)

# What is kept of an item that was written before stays: it is what was there before the backfill.
_KEEP_PREVIOUS = text(f"""
WITH kept AS (
    INSERT INTO audio_ops.backfill_previous (item_id, document)
    SELECT i.id, jsonb_build_object(
        'message', jsonb_build_object(
            'audio_processing_state', m.audio_processing_state,
            'audio_processing_error', m.audio_processing_error,
            'pronunciation_score', m.pronunciation_score,
            'fluency_score', m.fluency_score,
            'speech_rate_wpm', m.speech_rate_wpm
        ),
        'analysis', to_jsonb(a)
    )
    FROM {_HELD}
    WHERE i.token = :token AND m.id = ANY(:message_ids)
    ON CONFLICT DO NOTHING
    RETURNING item_id
)
UPDATE audio_ops.backfill_item AS item
SET accuracy_before = a.overall_accuracy_score, fluency_before = a.overall_fluency_score
FROM {_HELD}
WHERE item.id = i.id AND i.id IN (SELECT item_id FROM kept)
""")  # noqa: S608 - our own fragments
_FINISH = text("""
UPDATE audio_ops.backfill_item AS i
SET outcome = done.outcome, cause = done.cause, done_at = statement_timestamp(),
    accuracy_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_accuracy_score END,
    fluency_after = CASE WHEN done.outcome = 'analyzed' THEN a.overall_fluency_score END,
    audio_ms = done.audio_ms, cpu_ms = done.cpu_ms,
    analyzed_at = CASE
        WHEN EXISTS (SELECT FROM audio_ops.backfill_previous AS p WHERE p.item_id = i.id)
        THEN a.analyzed_at AT TIME ZONE 'UTC'
    END,
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

_COUNT_OPEN = text("""
SELECT count(*) FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome IS NULL
""")
_PROGRESS = text("""
SELECT outcome, cause, count(*) AS messages,
    coalesce(sum(audio_ms), 0) AS audio_ms, coalesce(sum(cpu_ms), 0) AS cpu_ms
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND (:all OR is_canary)
GROUP BY outcome, cause
""")
_SELECTED = text("SELECT selected FROM audio_ops.backfill WHERE id = :backfill_id")
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
_BROKEN = text("""
SELECT q.rule, count(DISTINCT i.message_id)
FROM audio_ops.backfill_item AS i
JOIN audio_ops.backfill AS b ON b.id = i.backfill_id
JOIN audio_ops.quarantine AS q ON q.message_id = i.message_id
WHERE i.backfill_id = :backfill_id AND i.outcome = 'analyzed' AND (:all OR i.is_canary)
    AND q.rule = ANY(:rules) AND q.released_at IS NULL AND q.quarantined_at >= b.created_at
GROUP BY q.rule
""")
_RESCORED = text("""
SELECT language, 'accuracy', accuracy_before, accuracy_after, count(*)
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND (:all OR is_canary)
    AND num_nulls(accuracy_before, accuracy_after) = 0
GROUP BY language, accuracy_before, accuracy_after
UNION ALL
SELECT language, 'fluency', fluency_before, fluency_after, count(*)
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND (:all OR is_canary)
    AND num_nulls(fluency_before, fluency_after) = 0
GROUP BY language, fluency_before, fluency_after
ORDER BY 1, 2, 3, 4
""")
_MOST_CHANGED = text("""
SELECT message_id, accuracy_before, accuracy_after, fluency_before, fluency_after
FROM audio_ops.backfill_item
WHERE backfill_id = :backfill_id AND outcome = 'analyzed' AND is_canary
    AND num_nulls(accuracy_before, accuracy_after, fluency_before, fluency_after) = 0
ORDER BY abs(accuracy_after - accuracy_before) DESC, id
LIMIT :limit
""")


def claim(
    connection: Connection,
    backfill_id: int,
    release: EngineRelease,
    *,
    limit: int,
    owner: str,
    duration: timedelta,
    canary: bool = False,
) -> BackfillClaim | None:
    """Take the next messages of a backfill under a new lease.

    Nothing is claimed of a backfill that is not frozen yet, stopped, undone or released, nor, but
    for its first sample, before it is approved. Messages that need no analysis any more (see
    `lock_held`) are done with at once.

    Args:
        connection: In a transaction; others see the claim at its commit.
        backfill_id: Which.
        release: The engine that will analyse them.
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
    if not connection.execute(_CLAIM_CANARY if canary else _CLAIM_ANY, arguments).rowcount:
        return None
    held = release_arguments(release) | {"token": token}
    passed_over = connection.execute(_PASS_OVER, held).rowcount
    rows = connection.execute(_CLAIMED, {"token": token})
    return BackfillClaim(token, tuple(ClaimedMessage(*row) for row in rows), passed_over)


def renew(connection: Connection, token: UUID, duration: timedelta) -> int:
    """Let the lease last `duration` from now; return how many messages it still holds."""
    return connection.execute(_RENEW, {"token": token, "duration": duration}).rowcount


def lock_held(
    connection: Connection, token: UUID, release: EngineRelease
) -> dict[str, BackfillOutcome | None]:
    """Lock, until the transaction ends, the messages that this lease still holds.

    Call it first in the transaction that writes results.

    Returns:
        By message id None, or why nothing may be written to it any more: its audio is gone or
        about to be, the live pipeline has it, a newer version has analysed it.
    """
    held = set(connection.execute(_LOCK_HELD, {"token": token}).scalars())
    if not held:
        return {}
    # Asked under the locks, in a statement of its own: what others committed meanwhile shows.
    rows = connection.execute(_FATES, release_arguments(release) | {"token": token})
    return {row.id: row.fate and BackfillOutcome(row.fate) for row in rows if row.id in held}


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


def count_open(connection: Connection, backfill_id: int) -> int:
    """Count the messages that are still to be done; it reads only these."""
    connection.execute(LONG)
    return int(connection.execute(_COUNT_OPEN, {"backfill_id": backfill_id}).scalar_one())


def progress(connection: Connection, backfill_id: int, *, canary: bool = False) -> BackfillProgress:
    """Count how far a backfill, or its first sample alone, has come; it reads all of it.

    Args:
        connection: In a transaction; its settings change until its end.
        backfill_id: Which.
        canary: Only its first sample.
    """
    connection.execute(LONG)
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

    A message that is being analysed counts as claimable when its lease ends.
    """
    connection.execute(LONG)
    statement = _NEXT_CANARY if canary else _NEXT_ANY
    wait: timedelta | None = connection.execute(
        statement, {"backfill_id": backfill_id}
    ).scalar_one()
    return wait


def broken_rules(
    connection: Connection, backfill_id: int, rules: Collection[str], *, canary: bool = False
) -> Counter[str]:
    """Count the analyses of a backfill that break one of these rules since it began, by rule."""
    connection.execute(LONG)
    arguments = {"backfill_id": backfill_id, "all": not canary, "rules": list(rules)}
    return Counter(dict(connection.execute(_BROKEN, arguments).tuples().all()))


def rescored(connection: Connection, backfill_id: int, *, canary: bool = False) -> list[Rescored]:
    """Count scores before and after; messages that lack one of both are not in it."""
    connection.execute(LONG)
    arguments = {"backfill_id": backfill_id, "all": not canary}
    return [Rescored(*row) for row in connection.execute(_RESCORED, arguments)]


def most_changed(connection: Connection, backfill_id: int, *, limit: int) -> list[RescoredMessage]:
    """Return those of the first sample whose accuracy changed most, the largest change first."""
    arguments = {"backfill_id": backfill_id, "limit": limit}
    return [RescoredMessage(*row) for row in connection.execute(_MOST_CHANGED, arguments)]
