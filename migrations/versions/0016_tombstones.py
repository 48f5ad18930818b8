"""Keep the tombstones of erased learners: only when an erasure was completed may change.

The database's clock sets that time; an erasure that begins again clears it. A removed tombstone
would let a restored backup bring a learner back.

Locks: `erased_learner` for a moment; it is small.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLE = "audio_ops.erased_learner"
_KEEP = """
CREATE OR REPLACE FUNCTION audio_ops.keep_tombstones() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'Tombstones of erased learners are kept: % is refused.', TG_OP;
    END IF;
    IF (NEW.user_id, NEW.receipt, NEW.reason, NEW.requested_at)
        IS DISTINCT FROM (OLD.user_id, OLD.receipt, OLD.reason, OLD.requested_at)
    THEN
        RAISE EXCEPTION 'Of a tombstone, only the time of completion changes.';
    END IF;
    IF NEW.completed_at IS NOT NULL THEN
        NEW.completed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$
"""
_TRIGGERS = {
    "keep_rows": "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW",
    "keep_table": "BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
}


def upgrade() -> None:
    """Create the triggers."""
    op.execute(_KEEP)
    op.execute("REVOKE ALL ON FUNCTION audio_ops.keep_tombstones() FROM PUBLIC")
    for name, when in _TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} {when.format(TABLE)}"
            " EXECUTE FUNCTION audio_ops.keep_tombstones()"
        )


def downgrade() -> None:
    """Drop the triggers."""
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {TABLE}")
    op.execute("DROP FUNCTION audio_ops.keep_tombstones()")
