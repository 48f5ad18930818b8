"""Create legal holds, the deletion ledger, orphaned objects and erased learners.

Locks: `messages` against writes for a moment, to create its trigger. The new tables are empty.

The trigger on `messages` queues the recordings of messages that the app deletes. It runs with its
owner's privileges, because the app has none here. It never makes a statement of the app fail:
errors become warnings, and the reconciliation finds the objects later. Dropping the schema
`audio_ops` drops it.
"""

import sqlalchemy as sa
from alembic import op

from migrations import parking

revision = "0006"
down_revision = "0005"

SCHEMA = "audio_ops"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
INTENDED = sa.text("state = 'intended'")

# One statement, and so one wait for a lock, for any number of messages. A key that several messages
# share is queued without an owner, so that the holds of all of them cover it. If the conversation
# was deleted before its messages (a cascade), the owner is taken from the key, if it names that
# conversation.
_QUEUE_ORPHANS = """
CREATE OR REPLACE FUNCTION audio_ops.queue_orphans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $$
BEGIN
    INSERT INTO audio_ops.orphan_object AS o
        (storage_key, source, size_bytes, message_id, conversation_id, user_id)
    SELECT d.audio_storage_key, 'message_deleted', max(d.audio_size_bytes),
        CASE WHEN count(*) = 1 THEN min(d.id) END,
        CASE WHEN count(*) = 1 THEN min(d.conversation_id) END,
        CAST(CASE WHEN count(*) = 1 THEN min(
            CASE
                WHEN c.id IS NOT NULL THEN CAST(c.user_id AS text)
                WHEN d.audio_storage_key
                        ~ '^audio/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]+/[^/]+$'
                    AND split_part(d.audio_storage_key, '/', 3) = d.conversation_id
                    THEN split_part(d.audio_storage_key, '/', 2)
            END
        ) END AS uuid)
    FROM deleted AS d LEFT JOIN public.conversations AS c ON c.id = d.conversation_id
    WHERE d.audio_storage_key IS NOT NULL AND d.audio_deleted_at IS NULL
    GROUP BY d.audio_storage_key
    ORDER BY d.audio_storage_key
    ON CONFLICT (storage_key) DO UPDATE
    SET message_id = NULL, conversation_id = NULL, user_id = NULL
    WHERE o.message_id IS DISTINCT FROM excluded.message_id;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'audio_ops.queue_orphans: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END
$$
"""
_QUEUE_ORPHANS_TRIGGER = """
CREATE TRIGGER audio_ops_queue_orphans
AFTER DELETE ON messages REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT
EXECUTE FUNCTION audio_ops.queue_orphans()
"""

_PROTECT_LEDGER = """
CREATE OR REPLACE FUNCTION audio_ops.protect_ledger() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'The deletion ledger is append-only: % is refused.', TG_OP;
    END IF;
    IF OLD.state <> 'intended' THEN
        RAISE EXCEPTION 'Entry % of the deletion ledger is final: UPDATE is refused.', OLD.id;
    END IF;
    IF (NEW.id, NEW.message_id, NEW.key_sha256, NEW.reason, NEW.tier, NEW.size_bytes,
            NEW.retention_expires_at, NEW.intended_at)
        IS DISTINCT FROM (OLD.id, OLD.message_id, OLD.key_sha256, OLD.reason, OLD.tier,
            OLD.size_bytes, OLD.retention_expires_at, OLD.intended_at)
        OR NEW.storage_key <> OLD.storage_key
    THEN
        RAISE EXCEPTION 'What entry % of the deletion ledger intends does not change.', OLD.id;
    END IF;
    RETURN NEW;
END
$$
"""
_PROTECT_LEDGER_TRIGGERS = (
    """
    CREATE TRIGGER protect_rows
    BEFORE UPDATE OR DELETE ON audio_ops.deletion_ledger FOR EACH ROW
    EXECUTE FUNCTION audio_ops.protect_ledger()
    """,
    """
    CREATE TRIGGER protect_table
    BEFORE TRUNCATE ON audio_ops.deletion_ledger FOR EACH STATEMENT
    EXECUTE FUNCTION audio_ops.protect_ledger()
    """,
)


def upgrade() -> None:
    """Restore parked tables, or create new ones; then create the triggers."""
    for table, create in (
        ("legal_hold", _create_legal_hold),
        ("deletion_ledger", _create_deletion_ledger),
        ("orphan_object", _create_orphan_object),
        ("erased_learner", _create_erased_learner),
    ):
        if not parking.restore_table(table):
            create()
    op.execute(_PROTECT_LEDGER)
    for name in ("protect_rows", "protect_table"):  # a restored ledger still has them
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON audio_ops.deletion_ledger")
    for trigger in _PROTECT_LEDGER_TRIGGERS:
        op.execute(trigger)
    op.execute(_QUEUE_ORPHANS)
    # It runs with its owner's privileges: nobody else may use it in a trigger.
    op.execute("REVOKE ALL ON FUNCTION audio_ops.queue_orphans() FROM PUBLIC")
    op.execute("DROP TRIGGER IF EXISTS audio_ops_queue_orphans ON messages")
    op.execute(_QUEUE_ORPHANS_TRIGGER)


def downgrade() -> None:
    """Drop the trigger on `messages` and park the tables; the parked ledger stays protected."""
    op.execute("DROP TRIGGER IF EXISTS audio_ops_queue_orphans ON messages")
    op.execute("DROP FUNCTION audio_ops.queue_orphans()")
    for table in ("erased_learner", "orphan_object", "deletion_ledger", "legal_hold"):
        parking.park_table(table)


def _id(comment: str) -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment=comment)


def _required(name: str, type_: type[sa.types.TypeEngine[str]], comment: str) -> sa.Column[str]:
    return sa.Column(name, type_, nullable=False, comment=comment)


def _create_legal_hold() -> None:
    op.create_table(
        "legal_hold",
        _id("Names the hold to release it"),
        _required("scope", sa.Text, "message, conversation or user"),
        _required("subject_id", sa.Text, "Id of that message, conversation, user"),
        _required("reason", sa.Text, "Why, such as the case's number"),
        _required("placed_by", sa.Text, "Who placed it"),
        sa.Column(
            "placed_at", INSTANT, server_default=NOW, nullable=False, comment="When it was placed"
        ),
        sa.Column("released_by", sa.Text, comment="Who released it"),
        sa.Column("released_at", INSTANT, comment="When it was released"),
        sa.PrimaryKeyConstraint("id", name="legal_hold_pkey"),
        sa.CheckConstraint(
            "scope IN ('message', 'conversation', 'user')", name=op.f("legal_hold_scope_check")
        ),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_by IS NULL)", name=op.f("legal_hold_release_check")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "legal_hold_active_idx",
        "legal_hold",
        ["scope", "subject_id"],
        postgresql_where=sa.text("released_at IS NULL"),
        schema=SCHEMA,
    )


def _create_deletion_ledger() -> None:
    op.create_table(
        "deletion_ledger",
        _id("Order of intending"),
        sa.Column(
            "message_id",
            sa.Text,
            comment="The message whose recording it was; empty if nobody knows",
        ),
        sa.Column(
            "storage_key",
            sa.Text,
            comment="The object's key; emptied at the end, because it names the learner",
        ),
        sa.Column(
            "key_sha256",
            sa.LargeBinary,
            nullable=False,
            comment="SHA-256 of the key in UTF-8: proves a deletion to whoever has the key",
        ),
        _required("reason", sa.Text, "retention, orphan or erasure"),
        sa.Column("tier", sa.Text, comment="The owner's tier when it was intended"),
        sa.Column("size_bytes", sa.BigInteger, comment="Size of the object, as far as known"),
        sa.Column(
            "retention_expires_at", INSTANT, comment="End of the retention period that was over"
        ),
        sa.Column(
            "state",
            sa.Text,
            server_default=sa.text("'intended'"),
            nullable=False,
            comment="intended, deleted or withdrawn",
        ),
        sa.Column(
            "intended_at",
            INSTANT,
            server_default=NOW,
            nullable=False,
            comment="When it was decided",
        ),
        sa.Column(
            "attempts",
            sa.Integer,
            server_default=sa.text("0"),
            nullable=False,
            comment="Deletions that the bucket did not confirm",
        ),
        sa.Column("last_error", sa.Text, comment="What the bucket said to the last of them"),
        sa.Column("finished_at", INSTANT, comment="When it was deleted or withdrawn"),
        sa.Column(
            "position",
            sa.BigInteger,
            comment="Place in the chain of final entries, from 1 without gaps",
        ),
        sa.Column(
            "hash", sa.LargeBinary, comment="SHA-256 over the entry before and this one's facts"
        ),
        sa.PrimaryKeyConstraint("id", name="deletion_ledger_pkey"),
        sa.CheckConstraint(
            "reason IN ('retention', 'orphan', 'erasure')",
            name=op.f("deletion_ledger_reason_check"),
        ),
        sa.CheckConstraint(
            "state IN ('intended', 'deleted', 'withdrawn')",
            name=op.f("deletion_ledger_state_check"),
        ),
        sa.CheckConstraint(
            "(state = 'intended') = (storage_key IS NOT NULL)"
            " AND (state = 'intended') = (finished_at IS NULL)"
            " AND (state = 'intended') = (position IS NULL)"
            " AND (state = 'intended') = (hash IS NULL)",
            name=op.f("deletion_ledger_final_check"),
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "deletion_ledger_intended_idx",
        "deletion_ledger",
        ["key_sha256"],
        unique=True,
        postgresql_where=INTENDED,
        schema=SCHEMA,
    )
    op.create_index(
        "deletion_ledger_position_idx",
        "deletion_ledger",
        ["position"],
        unique=True,
        schema=SCHEMA,
    )
    op.create_index(
        "deletion_ledger_message_id_idx", "deletion_ledger", ["message_id"], schema=SCHEMA
    )


def _create_orphan_object() -> None:
    op.create_table(
        "orphan_object",
        _required("storage_key", sa.Text, "The object's key"),
        _required("source", sa.Text, "message_deleted or reconciliation"),
        sa.Column("size_bytes", sa.BigInteger, comment="Size of the object, as far as known"),
        sa.Column("message_id", sa.Text, comment="The message that is gone"),
        sa.Column("conversation_id", sa.Text, comment="Its conversation"),
        sa.Column("user_id", sa.Uuid, comment="The learner; empty if nobody knows"),
        sa.Column(
            "queued_at", INSTANT, server_default=NOW, nullable=False, comment="When it was found"
        ),
        sa.Column(
            "refused",
            sa.Text,
            comment="Why no sweep deletes it: a key that is not ours; for a person to look at",
        ),
        sa.PrimaryKeyConstraint("storage_key", name="orphan_object_pkey"),
        sa.CheckConstraint(
            "source IN ('message_deleted', 'reconciliation')",
            name=op.f("orphan_object_source_check"),
        ),
        schema=SCHEMA,
    )


def _create_erased_learner() -> None:
    op.create_table(
        "erased_learner",
        sa.Column("user_id", sa.Uuid, nullable=False, comment="The learner"),
        sa.Column(
            "receipt",
            sa.Uuid,
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="Names the erasure without the learner",
        ),
        _required("reason", sa.Text, "Why, such as the request's number"),
        sa.Column(
            "requested_at",
            INSTANT,
            server_default=NOW,
            nullable=False,
            comment="When the erasure began",
        ),
        sa.Column(
            "completed_at",
            INSTANT,
            comment="When nothing was left; empty while some of it failed",
        ),
        sa.PrimaryKeyConstraint("user_id", name="erased_learner_pkey"),
        schema=SCHEMA,
    )
