"""Lose no orphan when the queue is locked, and serve no other table than `messages`.

While another session held the queue, or a key in it, the trigger on `messages` gave up after 200 ms
with a warning, and lost the recordings of its statement. It now waits 20 ms and then writes them to
`orphan_overflow`, to which nothing but inserts and deletions of single rows ever happens: an insert
waits for neither. The next flow run moves them to the queue.

The function now refuses to run in any other trigger than ours. Nobody but its owner may put it into
one, but a restore without privileges (`pg_restore --no-privileges`) gives every role that right.

Locks: nothing for longer than a moment; the existing trigger keeps working and calls the new
function from the next statement on.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import holders

revision = "0014"
down_revision = "0013"

SCHEMA = "audio_ops"
OVERFLOW = "audio_ops.orphan_overflow"
LARGEST_OBJECT_BYTES = 5 * 1024**4  # `stores.readable` at the time of this migration

# As in 0012.
_ORPHANS = f"""
    SELECT d.audio_storage_key, 'message_deleted',
        max(CASE WHEN d.audio_size_bytes BETWEEN 0 AND {LARGEST_OBJECT_BYTES}
            THEN d.audio_size_bytes END),
        CASE WHEN count(*) = 1 THEN min(d.id) END,
        CASE WHEN count(*) = 1 THEN min(d.conversation_id) END,
        CAST(CASE WHEN count(*) = 1 THEN min(
            CASE
                WHEN c.id IS NOT NULL THEN CAST(c.user_id AS text)
                WHEN d.audio_storage_key
                        ~ '^audio/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}/[^/]+/[^/]+$'
                    AND split_part(d.audio_storage_key, '/', 3) = d.conversation_id
                    THEN split_part(d.audio_storage_key, '/', 2)
            END
        ) END AS uuid)
    FROM deleted AS d LEFT JOIN public.conversations AS c ON c.id = d.conversation_id
    WHERE d.audio_storage_key IS NOT NULL AND d.audio_deleted_at IS NULL
    GROUP BY d.audio_storage_key
    ORDER BY d.audio_storage_key"""  # noqa: S608 - ours
_QUEUE = f"""
    INSERT INTO audio_ops.orphan_object AS o
        (storage_key, source, size_bytes, message_id, conversation_id, user_id)
    {_ORPHANS}
    ON CONFLICT (storage_key) DO UPDATE
    SET message_id = NULL, conversation_id = NULL, user_id = NULL
    WHERE o.message_id IS DISTINCT FROM excluded.message_id"""  # noqa: S608 - ours
_OVERFLOW = f"""
    INSERT INTO audio_ops.orphan_overflow
        (storage_key, source, size_bytes, message_id, conversation_id, user_id)
    {_ORPHANS}"""
_QUEUE_ORPHANS = f"""
CREATE OR REPLACE FUNCTION audio_ops.queue_orphans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
BEGIN
    -- Elsewhere, `deleted` would be rows of the trigger's creator.
    IF TG_RELID IS DISTINCT FROM CAST(to_regclass('public.messages') AS oid)
        OR (TG_WHEN, TG_OP, TG_LEVEL) <> ('AFTER', 'DELETE', 'STATEMENT')
    THEN
        RAISE EXCEPTION 'audio_ops.queue_orphans() serves only deletions from public.messages.';
    END IF;
    BEGIN
        BEGIN
            {_QUEUE};
        EXCEPTION WHEN OTHERS THEN
            PERFORM set_config('lock_timeout', '200ms', true);
            {_OVERFLOW};
        END;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'audio_ops.queue_orphans: % (%)', SQLERRM, SQLSTATE;
    END;
    RETURN NULL;
END
$$
"""
_QUEUE_ORPHANS_OF_0012 = f"""
CREATE OR REPLACE FUNCTION audio_ops.queue_orphans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $$
BEGIN
    {_QUEUE};
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'audio_ops.queue_orphans: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END
$$
"""
# A key with several messages belongs to none of them.
_EMPTY_OVERFLOW = """
INSERT INTO audio_ops.orphan_object AS o
    (storage_key, source, size_bytes, message_id, conversation_id, user_id)
SELECT storage_key, source, max(size_bytes),
    CASE WHEN count(*) = 1 THEN min(message_id) END,
    CASE WHEN count(*) = 1 THEN min(conversation_id) END,
    CAST(CASE WHEN count(*) = 1 THEN min(CAST(user_id AS text)) END AS uuid)
FROM audio_ops.orphan_overflow GROUP BY storage_key, source
ON CONFLICT (storage_key) DO UPDATE SET message_id = NULL, conversation_id = NULL, user_id = NULL
WHERE o.message_id IS DISTINCT FROM excluded.message_id
"""


def upgrade() -> None:
    """Create the overflow, then the function that writes to it."""
    op.create_table(
        "orphan_overflow",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of deletion"),
        sa.Column("storage_key", sa.Text, nullable=False, comment="The object's key"),
        sa.Column("source", sa.Text, nullable=False, comment="message_deleted"),
        sa.Column("size_bytes", sa.BigInteger, comment="Size of the object, as far as known"),
        sa.Column("message_id", sa.Text, comment="The message that is gone"),
        sa.Column("conversation_id", sa.Text, comment="Its conversation"),
        sa.Column("user_id", sa.Uuid, comment="The learner; empty if nobody knows"),
        sa.Column(
            "queued_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the message was deleted",
        ),
        sa.PrimaryKeyConstraint("id", name="orphan_overflow_pkey"),
        schema=SCHEMA,
    )
    for role in holders("DELETE", "audio_ops.orphan_object"):
        op.execute(f"GRANT SELECT, DELETE ON {OVERFLOW} TO {role}")
    op.execute(_QUEUE_ORPHANS)
    op.execute("REVOKE ALL ON FUNCTION audio_ops.queue_orphans() FROM PUBLIC")


def downgrade() -> None:
    """Restore the function of 0012; queue what is in the overflow, and drop it."""
    op.execute(_QUEUE_ORPHANS_OF_0012)
    op.execute(f"LOCK TABLE {OVERFLOW}")  # a deletion in progress still writes to it
    op.execute(_EMPTY_OVERFLOW)
    op.drop_table("orphan_overflow", schema=SCHEMA)
