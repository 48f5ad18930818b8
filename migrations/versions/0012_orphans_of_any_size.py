"""Queue the recordings of deleted messages whatever size they state.

A column that the app has widened may hold sizes that fit no bigint. One of them made the trigger
function fail, and with it the queueing of all recordings that the same statement orphaned. Sizes
that no object can have are now queued as unknown.

Locks: nothing for longer than a moment; the existing trigger keeps working and calls the new
function from the next statement on.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

LARGEST_OBJECT_BYTES = 5 * 1024**4  # `stores.readable` at the time of this migration

# The column's type is not known here: Postgres compares any number with a bigint, and NaN sorts
# after all of them.
_POSSIBLE_SIZE = (
    f"CASE WHEN d.audio_size_bytes BETWEEN 0 AND {LARGEST_OBJECT_BYTES} THEN d.audio_size_bytes END"
)


def upgrade() -> None:
    """Replace the function; its owner and privileges stay."""
    op.execute(_queue_orphans(_POSSIBLE_SIZE))


def downgrade() -> None:
    """Restore the function of 0006."""
    op.execute(_queue_orphans("d.audio_size_bytes"))


def _queue_orphans(size: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION audio_ops.queue_orphans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $$
BEGIN
    INSERT INTO audio_ops.orphan_object AS o
        (storage_key, source, size_bytes, message_id, conversation_id, user_id)
    SELECT d.audio_storage_key, 'message_deleted',
        max({size}),
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
"""  # noqa: S608 - ours
