"""Legal holds: place, release, and find what they cover.

To delete, call `keep_out`, then check for holds, then delete, in one transaction. Placing a hold
waits for such transactions and blocks new ones, so that nothing it covers is deleted afterwards
(docs/adr/0052).
"""

from uuid import UUID

from sqlalchemy import Connection, text

from schema.errors.deletion import HoldSubjectUnknown, LocksLost
from schema.facts.deletion import ActiveHold, PlacedHold, ReleasedHold
from schema.states import HoldScope

ADVISORY_LOCK = 0x686F6C64  # "hold"

_ACTIVE = "EXISTS (SELECT FROM audio_ops.legal_hold AS h WHERE h.released_at IS NULL AND h.scope = "

# SQL: whether an active hold covers message `m` of conversation `c`. Three index probes.
HELD = f"""(
    {_ACTIVE}'message' AND h.subject_id = m.id)
    OR {_ACTIVE}'conversation' AND h.subject_id = m.conversation_id)
    OR {_ACTIVE}'user' AND h.subject_id = CAST(c.user_id AS text))
)"""

# SQL: the same for orphan `o`, whose message is gone. If its message, conversation or learner is
# unknown, every hold of that scope covers it.
_OF_CONVERSATION = "(SELECT c.{} FROM conversations AS c WHERE c.id = o.conversation_id)"
HELD_ORPHAN = f"""(
    {_ACTIVE}'message' AND h.subject_id = o.message_id)
    OR {_ACTIVE}'conversation' AND h.subject_id = o.conversation_id)
    OR {_ACTIVE}'user' AND h.subject_id = CAST(
        COALESCE(o.user_id, {_OF_CONVERSATION.format("user_id")}) AS text
    ))
    OR o.message_id IS NULL AND {_ACTIVE}'message')
    OR o.conversation_id IS NULL AND {_ACTIVE}'conversation')
    OR o.user_id IS NULL AND {_OF_CONVERSATION.format("id")} IS NULL AND {_ACTIVE}'user')
)"""

_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(:lock)")
# The lock's 64 bits are shown in two halves.
_KEPT_OUT = text("""
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 0 AND objid = :lock AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid = pg_backend_pid() AND granted
)
""")
_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
# A page of deletions waits for the bucket, which with retries may take minutes.
_WAIT_FOR_A_SLOW_BUCKET = text(
    "SELECT set_config('lock_timeout', '10min', true),"
    " set_config('statement_timeout', '10min', true)"
)

# By scope: table of the subject, and its id in messages and in orphans.
SUBJECTS = {
    HoldScope.MESSAGE: ("messages", "m.id", "o.message_id"),
    HoldScope.CONVERSATION: ("conversations", "m.conversation_id", "o.conversation_id"),
    HoldScope.USER: ("users", "c.user_id", "o.user_id"),
}
_COVERED = {
    scope: text(f"""
SELECT EXISTS (SELECT FROM {table} WHERE id = :subject),
    (SELECT count(*) FROM audio_ops.orphan_object AS o WHERE {of_orphan} = :subject),
    count(*) FILTER (WHERE m.audio_storage_key IS NOT NULL AND m.audio_deleted_at IS NULL),
    count(*) FILTER (WHERE m.audio_deleted_at IS NOT NULL)
FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
WHERE {of_message} = :subject
""")  # noqa: S608 - our own names
    for scope, (table, of_message, of_orphan) in SUBJECTS.items()
}

# Idempotent: a retried transaction places the same hold only once.
_PLACE = text("""
WITH standing AS (
    SELECT id, placed_at FROM audio_ops.legal_hold
    WHERE released_at IS NULL AND scope = :scope AND subject_id = :subject_id
      AND reason = :reason AND placed_by = :placed_by
    LIMIT 1
), placed AS (
    INSERT INTO audio_ops.legal_hold (scope, subject_id, reason, placed_by)
    SELECT :scope, :subject_id, :reason, :placed_by WHERE NOT EXISTS (SELECT FROM standing)
    RETURNING id, placed_at
)
SELECT id, placed_at FROM standing UNION ALL SELECT id, placed_at FROM placed
""")
_RELEASE = text("""
UPDATE audio_ops.legal_hold SET released_by = :released_by
WHERE id = :hold_id AND (released_at IS NULL OR released_by = :released_by)
RETURNING id, released_by, released_at
""")
_FORGET_RELEASED = text("SELECT audio_ops.forget_released_holds(:user_id)")
_ACTIVE_HOLDS = text("""
SELECT id, scope, subject_id, reason, placed_by, placed_at FROM audio_ops.legal_hold
WHERE released_at IS NULL ORDER BY id
""")
# An orphan of an unknown learner counts as theirs if its key contains their id.
_ON_LEARNER = text("""
SELECT count(*) FROM audio_ops.legal_hold AS h
WHERE h.released_at IS NULL AND CASE h.scope
    WHEN 'user' THEN h.subject_id = CAST(:user_id AS text)
    WHEN 'conversation' THEN EXISTS (
        SELECT FROM conversations AS c WHERE c.id = h.subject_id AND c.user_id = :user_id
    )
    ELSE EXISTS (
        SELECT FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
        WHERE m.id = h.subject_id AND c.user_id = :user_id
    )
END OR h.released_at IS NULL AND EXISTS (
    SELECT FROM audio_ops.orphan_object AS o
    WHERE h.subject_id = CASE h.scope
            WHEN 'conversation' THEN o.conversation_id WHEN 'message' THEN o.message_id
        END
      AND (
          o.user_id = :user_id
          OR o.user_id IS NULL AND strpos(o.storage_key, CAST(:user_id AS text)) > 0
      )
)
""")
# Holds whose subject is gone and that no orphan attributes to another learner.
_UNATTRIBUTED = text("""
SELECT count(*) FROM audio_ops.legal_hold AS h
WHERE h.released_at IS NULL AND h.scope <> 'user'
  AND NOT EXISTS (SELECT FROM messages AS m WHERE h.scope = 'message' AND m.id = h.subject_id)
  AND NOT EXISTS (
    SELECT FROM conversations AS c WHERE h.scope = 'conversation' AND c.id = h.subject_id
  )
  AND NOT EXISTS (
    SELECT FROM audio_ops.orphan_object AS o
    WHERE h.subject_id = CASE h.scope
            WHEN 'conversation' THEN o.conversation_id ELSE o.message_id
        END
      AND COALESCE(CAST(o.user_id AS text), substring(o.storage_key FROM '^audio/([0-9a-f-]{36})/'))
        <> CAST(:user_id AS text)
  )
""")


def keep_out(connection: Connection) -> None:
    """Block the placing of holds until this transaction ends.

    Call it before checking for holds, in a transaction that stays open until the bucket has deleted
    the objects. The lock is shared: deletions do not block each other.
    """
    connection.execute(_LOCK_SHARED, {"lock": ADVISORY_LOCK})


def prove_kept_out(connection: Connection) -> None:
    """Check, just before a request to delete, that `keep_out` still has effect.

    Raises:
        OperationalError: If the session has ended, and its locks with it.
        LocksLost: If a pooler has put another session in its place.
    """
    if not connection.execute(_KEPT_OUT, {"lock": ADVISORY_LOCK}).scalar_one():
        raise LocksLost


def place(
    connection: Connection, scope: HoldScope, subject_id: str, reason: str, placed_by: str
) -> PlacedHold:
    """Place a hold, after running deletions have ended; placing it again has no effect.

    Args:
        connection: In a READ COMMITTED transaction; deletions wait until it ends.
        scope: Whether a message, conversation or user is held.
        subject_id: Id of the message, conversation or user.
        reason: Shown to people who decide about its release.
        placed_by: Name of the person responsible.

    Returns:
        The hold, with the numbers of its subject's recordings that it protects and that were
        already deleted.

    Raises:
        HoldSubjectUnknown: If neither the subject nor a queued orphan of it exists: a hold on a
            mistyped id would protect nothing.
    """
    subject = _learner(subject_id) if scope is HoldScope.USER else subject_id
    connection.execute(_WAIT_FOR_A_SLOW_BUCKET)
    connection.execute(_LOCK, {"lock": ADVISORY_LOCK})
    exists, orphans, live, deleted = connection.execute(_COVERED[scope], {"subject": subject}).one()
    if not (exists or orphans):
        raise HoldSubjectUnknown(scope, subject_id)
    arguments = {
        "scope": scope,
        "subject_id": str(subject),
        "reason": reason,
        "placed_by": placed_by,
    }
    hold_id, placed_at = connection.execute(_PLACE, arguments).one()
    return PlacedHold(hold_id, placed_at, protected=live + orphans, already_deleted=deleted)


def release(connection: Connection, hold_id: int, released_by: str) -> ReleasedHold | None:
    """Release a hold; releasing it again has no effect. The database sets the time.

    Returns:
        The hold, with the time of its first release; None if it does not exist or someone else
        has released it.
    """
    arguments = {"hold_id": hold_id, "released_by": released_by}
    row = connection.execute(_RELEASE, arguments).one_or_none()
    return None if row is None else ReleasedHold(*row)


def forget_released(connection: Connection, user_id: UUID) -> int:
    """Forget subjects and reasons of a learner's released holds; return how many.

    That there were such holds, when, and by whom, stays in the history. The learner's tombstone
    must exist: the database refuses to forget holds of others.
    """
    return int(connection.execute(_FORGET_RELEASED, {"user_id": user_id}).scalar_one())


def active(connection: Connection) -> list[ActiveHold]:
    """Return the active holds, oldest first."""
    return [
        ActiveHold(id_, HoldScope(scope), *rest)
        for id_, scope, *rest in connection.execute(_ACTIVE_HOLDS)
    ]


def on_learner(connection: Connection, user_id: UUID) -> int:
    """Count the active holds on a learner or on any of their conversations and messages.

    A hold whose subject is gone counts too, unless it is known to have been another learner's.
    """
    learner = {"user_id": user_id}
    theirs = int(connection.execute(_ON_LEARNER, learner).scalar_one())
    return theirs or int(connection.execute(_UNATTRIBUTED, learner).scalar_one())


def _learner(subject_id: str) -> UUID:
    """Parse a learner's id in any UUID notation.

    Raises:
        HoldSubjectUnknown: If it is not a UUID.
    """
    try:
        return UUID(subject_id)
    except ValueError:
        raise HoldSubjectUnknown(HoldScope.USER, subject_id) from None
