"""Let a function alone complete entries of the deletion ledger.

`finish_deletions` runs with its owner's privileges, so that the flows' role needs no right to write
state, position or hash. Roles that have this right keep it until `deployments/grants.sql` is run
again, for processes of the earlier version that are still running; they get the function at once.

In open entries, `attempts` may now only be increased, by one. Entries with the reason `repair` mark
where a damaged ledger was repaired; they are always final.

Locks: `deletion_ledger` for a moment; its rows are not read.
"""

from alembic import op

from migrations.privileges import holders

revision = "0013"
down_revision = "0012"

TABLE = "audio_ops.deletion_ledger"
FINISH = "audio_ops.finish_deletions(bytea[], bytea[])"
LEDGER_LOCK = 0x6C6564676572  # `stores.deletion.ledger` at the time of this migration


def _instant(column: str) -> str:
    """Return SQL that formats an instant as the chain does, whatever the session's settings."""
    return (
        f"CASE WHEN isfinite({column}) THEN to_char({column} AT TIME ZONE 'UTC',"
        f""" 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST({column} AS text) END"""
    )


# A row as JSON is canonical (RFC 8785) if its columns are sorted by name: Postgres adds no spaces,
# and escapes what must be escaped and nothing else.
_FINISH_DELETIONS = f"""
CREATE OR REPLACE FUNCTION audio_ops.finish_deletions(deleted bytea[], withdrawn bytea[])
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_position bigint;
    last_hash bytea;
    ended_at timestamptz;
    ids bigint[];
    hashes bytea[] := '{{}}';
    facts bytea;
BEGIN
    -- A statement of its own, so that the next one sees the last holder's entries.
    PERFORM pg_advisory_xact_lock({LEDGER_LOCK});
    SELECT l.position, l.hash INTO last_position, last_hash FROM audio_ops.deletion_ledger AS l
    WHERE l.position IS NOT NULL ORDER BY l.position DESC LIMIT 1;
    last_position := COALESCE(last_position, 0);
    last_hash := COALESCE(last_hash, decode(repeat('00', 32), 'hex'));
    ended_at := clock_timestamp();
    SELECT COALESCE(array_agg(locked.id ORDER BY locked.id), '{{}}') INTO ids FROM (
        SELECT l.id FROM audio_ops.deletion_ledger AS l
        WHERE l.state = 'intended' AND l.key_sha256 = ANY (deleted || withdrawn)
        ORDER BY l.id FOR NO KEY UPDATE
    ) AS locked;
    FOR facts IN
        SELECT convert_to(CAST(row_to_json(f) AS text), 'UTF8')
        FROM (SELECT
            l.attempts,
            {_instant("ended_at")} AS finished_at,
            1 AS format,
            l.id,
            {_instant("l.intended_at")} AS intended_at,
            encode(l.key_sha256, 'hex') AS key_sha256,
            l.last_error,
            l.message_id,
            last_position + row_number() OVER (ORDER BY l.id) AS position,
            l.reason,
            {_instant("l.retention_expires_at")} AS retention_expires_at,
            l.size_bytes,
            CASE WHEN l.key_sha256 IN (SELECT unnest(deleted)) THEN 'deleted' ELSE 'withdrawn' END
                AS state,
            l.tier
        FROM audio_ops.deletion_ledger AS l WHERE l.id = ANY (ids)) AS f
        ORDER BY f.id
    LOOP
        last_hash := sha256(last_hash || facts);
        hashes := array_append(hashes, last_hash);
    END LOOP;
    UPDATE audio_ops.deletion_ledger AS l
    SET state = CASE WHEN l.key_sha256 IN (SELECT unnest(deleted)) THEN 'deleted'
            ELSE 'withdrawn' END,
        storage_key = NULL, finished_at = ended_at, position = last_position + ended.place,
        hash = ended.hash
    FROM unnest(ids, hashes) WITH ORDINALITY AS ended (id, hash, place)
    WHERE l.id = ended.id;
    RETURN cardinality(ids);
END
$$
"""  # noqa: S608 - ours

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
    IF NEW.attempts NOT IN (OLD.attempts, OLD.attempts + 1) THEN
        RAISE EXCEPTION 'The attempts of entry % are counted one by one.', OLD.id;
    END IF;
    RETURN NEW;
END
$$
"""
_CHECKS = {
    "reason": "reason IN ('retention', 'orphan', 'erasure')"
    " OR reason = 'repair' AND state <> 'intended'",
    "digest": "storage_key IS NULL OR key_sha256 = sha256(convert_to(storage_key, 'UTF8'))",
}


def upgrade() -> None:
    """Create the function, tighten the trigger and the checks."""
    for name, condition in _CHECKS.items():
        constraint = f"deletion_ledger_{name}_check"
        op.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS {constraint}")
        # For new rows only: reading the others would keep the lock.
        op.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT {constraint} CHECK ({condition}) NOT VALID")
    op.execute(
        f"COMMENT ON COLUMN {TABLE}.reason IS"
        " 'retention, orphan or erasure; repair, where the ledger was damaged'"
    )
    op.execute(_PROTECT_LEDGER)
    op.execute(_FINISH_DELETIONS)
    op.execute(f"REVOKE ALL ON FUNCTION {FINISH} FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION audio_ops.protect_ledger() FROM PUBLIC")
    for role in holders("UPDATE", TABLE, "state"):
        op.execute(f"GRANT EXECUTE ON FUNCTION {FINISH} TO {role}")


def downgrade() -> None:
    """Drop the function. The checks and the trigger stay: the earlier version keeps to them."""
    op.execute(f"DROP FUNCTION {FINISH}")
