"""Make the history of legal holds final, and chain it.

A hold is placed and released by the database's clock. Nothing else about it changes, except that an
erasure may forget the subject and reason of a released one; no hold is removed. Each of these
events is appended to `hold_event`, a hash chain like the deletion ledger's. It holds digests of
subject and reason, salted with a random number in the hold's row: with that number, an erasure
forgets what the digests could be compared with.

Existing holds enter the chain as they are found. Their `user_id`, by which an erasure finds them,
is known as long as the app has their message or conversation.

Locks: `legal_hold` for a moment; it is small.
"""

import sqlalchemy as sa
from alembic import op

from migrations import parking, privileges

revision = "0015"
down_revision = "0014"

SCHEMA = "audio_ops"
HOLD = "audio_ops.legal_hold"
EVENT = "audio_ops.hold_event"
FORGET = "audio_ops.forget_released_holds(uuid)"
CHAIN_LOCK = 0x686F6C646576  # "holdev"

_INSTANT = (
    "CASE WHEN isfinite({0}) THEN to_char({0} AT TIME ZONE 'UTC',"
    """ 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST({0} AS text) END"""
)

# A row as JSON is canonical (RFC 8785) if its columns are sorted by name.
_APPEND = f"""
CREATE OR REPLACE FUNCTION audio_ops.append_hold_event(
    hold audio_ops.legal_hold, what text, who text, happened_at timestamptz
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_position bigint;
    last_hash bytea;
BEGIN
    -- A statement of its own, so that the next one sees the last holder's events.
    PERFORM pg_advisory_xact_lock({CHAIN_LOCK});
    SELECT e.position, e.hash INTO last_position, last_hash FROM {EVENT} AS e
    ORDER BY e.position DESC LIMIT 1;
    INSERT INTO {EVENT} (position, hold_id, event, scope, subject_sha256, reason_sha256, done_by,
        occurred_at, hash)
    SELECT f.position, f.hold_id, f.event, f.scope, decode(f.subject_sha256, 'hex'),
        decode(f.reason_sha256, 'hex'), f.done_by, happened_at,
        sha256(
            COALESCE(last_hash, decode(repeat('00', 32), 'hex'))
            || convert_to(CAST(row_to_json(f) AS text), 'UTF8')
        )
    FROM (SELECT
        who AS done_by,
        what AS event,
        1 AS format,
        hold.id AS hold_id,
        {_INSTANT.format("happened_at")} AS occurred_at,
        COALESCE(last_position, 0) + 1 AS position,
        CASE WHEN what = 'placed' THEN encode(
            sha256(uuid_send(hold.salt) || convert_to(hold.reason, 'UTF8')), 'hex'
        ) END AS reason_sha256,
        CASE WHEN what = 'placed' THEN hold.scope END AS scope,
        CASE WHEN what = 'placed' THEN encode(
            sha256(uuid_send(hold.salt) || convert_to(hold.subject_id, 'UTF8')), 'hex'
        ) END AS subject_sha256
    ) AS f;
END
$$
"""  # noqa: S608 - ours

_LEARNER = """
    SELECT CASE hold.scope
        WHEN 'user' THEN CASE
            WHEN hold.subject_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            THEN CAST(hold.subject_id AS uuid)
        END
        WHEN 'conversation' THEN COALESCE(
            (SELECT c.user_id FROM public.conversations AS c WHERE c.id = hold.subject_id),
            (SELECT o.user_id FROM audio_ops.orphan_object AS o
            WHERE o.conversation_id = hold.subject_id AND o.user_id IS NOT NULL LIMIT 1)
        )
        ELSE COALESCE(
            (SELECT c.user_id FROM public.messages AS m
            JOIN public.conversations AS c ON c.id = m.conversation_id
            WHERE m.id = hold.subject_id),
            (SELECT o.user_id FROM audio_ops.orphan_object AS o
            WHERE o.message_id = hold.subject_id AND o.user_id IS NOT NULL LIMIT 1)
        )
    END"""
_LEARNER_OF = f"""
CREATE OR REPLACE FUNCTION audio_ops.learner_of_hold(hold audio_ops.legal_hold) RETURNS uuid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $${_LEARNER}$$
"""

_KEEP = f"""
CREATE OR REPLACE FUNCTION audio_ops.keep_holds() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_RELID IS DISTINCT FROM CAST(to_regclass('{HOLD}') AS oid) THEN
        RAISE EXCEPTION 'audio_ops.keep_holds() serves only {HOLD}.';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.released_by IS NOT NULL OR NEW.released_at IS NOT NULL THEN
            RAISE EXCEPTION 'A legal hold is placed before it is released.';
        END IF;
        NEW.placed_at := clock_timestamp();
        NEW.salt := gen_random_uuid();
        NEW.user_id := audio_ops.learner_of_hold(NEW);
        PERFORM audio_ops.append_hold_event(NEW, 'placed', NEW.placed_by, NEW.placed_at);
        RETURN NEW;
    ELSIF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'Legal holds are released, never removed: % is refused.', TG_OP;
    ELSIF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    ELSIF OLD.released_by IS NULL AND NEW.released_by IS NOT NULL THEN
        OLD.released_by := NEW.released_by;
        OLD.released_at := clock_timestamp();
        NEW.released_at := OLD.released_at;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            PERFORM audio_ops.append_hold_event(NEW, 'released', NEW.released_by, NEW.released_at);
            RETURN NEW;
        END IF;
    ELSIF OLD.released_by IS NOT NULL AND NEW.salt IS NULL THEN
        OLD.salt := NULL;
        OLD.subject_id := NULL;
        OLD.reason := NULL;
        OLD.user_id := NULL;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            PERFORM audio_ops.append_hold_event(NEW, 'forgotten', NULL, clock_timestamp());
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The history of legal hold % is final: UPDATE is refused.', OLD.id;
END
$$
"""

_FORGET = f"""
CREATE OR REPLACE FUNCTION audio_ops.forget_released_holds(learner uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forgotten integer;
BEGIN
    IF NOT EXISTS (SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = learner) THEN
        RAISE EXCEPTION 'Holds are forgotten only of learners who are being erased.';
    END IF;
    UPDATE {HOLD} AS h SET subject_id = NULL, reason = NULL, salt = NULL, user_id = NULL
    WHERE h.released_at IS NOT NULL AND h.salt IS NOT NULL
        AND (h.user_id = learner OR audio_ops.learner_of_hold(h) = learner);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$
"""  # noqa: S608 - ours

_PROTECT = """
CREATE OR REPLACE FUNCTION audio_ops.protect_hold_events() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'The history of legal holds is append-only: % is refused.', TG_OP;
END
$$
"""
_FUNCTIONS = (
    "append_hold_event(audio_ops.legal_hold, text, text, timestamptz)",
    "learner_of_hold(audio_ops.legal_hold)",
    "keep_holds()",
    "forget_released_holds(uuid)",
)
_HOLD_TRIGGERS = {
    "keep_rows": "BEFORE INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW",
    "keep_table": "BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
}
_EVENT_TRIGGERS = {
    "protect_rows": "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW",
    "protect_table": "BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
}
# In the order in which they happened; after a downgrade, only what is new since.
_CHAIN_EXISTING = f"""
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT h AS hold, happened.* FROM {HOLD} AS h
        CROSS JOIN LATERAL (VALUES
            ('placed', h.placed_by, h.placed_at), ('released', h.released_by, h.released_at)
        ) AS happened (event, done_by, at)
        WHERE h.salt IS NOT NULL AND happened.at IS NOT NULL AND NOT EXISTS (
            SELECT FROM {EVENT} AS e WHERE e.hold_id = h.id AND e.event = happened.event
        )
        ORDER BY happened.at, h.id, happened.event
    LOOP
        PERFORM audio_ops.append_hold_event(found.hold, found.event, found.done_by, found.at);
    END LOOP;
END
$$
"""  # noqa: S608 - ours


def upgrade() -> None:
    """Create or restore the chain, and append the existing holds; then create the triggers."""
    for column in ("subject_id", "reason"):
        op.execute(f"ALTER TABLE {HOLD} ALTER COLUMN {column} DROP NOT NULL")
    op.execute(
        f"ALTER TABLE {HOLD} ADD COLUMN IF NOT EXISTS salt uuid DEFAULT gen_random_uuid(),"
        " ADD COLUMN IF NOT EXISTS user_id uuid,"
        " DROP CONSTRAINT IF EXISTS legal_hold_forgotten_check,"
        " ADD CONSTRAINT legal_hold_forgotten_check CHECK ("
        "(salt IS NULL) = (subject_id IS NULL) AND (salt IS NULL) = (reason IS NULL)"
        " AND (salt IS NOT NULL OR released_at IS NOT NULL))"
    )
    for column, comment in (
        ("subject_id", "Id of that message, conversation, user; empty after an erasure"),
        ("reason", "Why, such as the case''s number; empty after an erasure"),
        ("salt", "Random; part of the digests in hold_event, empty after an erasure"),
        ("user_id", "The learner, if known when it was placed; empty after an erasure"),
    ):
        op.execute(f"COMMENT ON COLUMN {HOLD}.{column} IS '{comment}'")
    if not parking.restore_table("hold_event"):
        _create_hold_event()
    for statement in (_APPEND, _LEARNER_OF, _KEEP, _FORGET, _PROTECT):
        op.execute(statement)
    op.execute("REVOKE ALL ON FUNCTION audio_ops.protect_hold_events() FROM PUBLIC")
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION audio_ops.{function} FROM PUBLIC")
    op.execute(
        f"UPDATE {HOLD} AS h SET user_id = audio_ops.learner_of_hold(h)"  # noqa: S608 - ours
        " WHERE h.user_id IS NULL AND h.salt IS NOT NULL"
    )
    op.execute(_CHAIN_EXISTING)
    _create_triggers(HOLD, _HOLD_TRIGGERS, "keep_holds")
    _create_triggers(EVENT, _EVENT_TRIGGERS, "protect_hold_events")
    privileges.close(EVENT)
    for role in privileges.holders("UPDATE", HOLD, "released_by"):
        op.execute(f"GRANT SELECT ON {EVENT} TO {role}")
        op.execute(f"GRANT EXECUTE ON FUNCTION {FORGET} TO {role}")


def downgrade() -> None:
    """Drop triggers and functions, and park the chain, which stays protected."""
    for name in _HOLD_TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {HOLD}")
    for function in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION audio_ops.{function}")
    parking.park_table("hold_event")


def _create_triggers(table: str, triggers: dict[str, str], function: str) -> None:
    for name, when in triggers.items():
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")  # a restored table has them
        op.execute(
            f"CREATE TRIGGER {name} {when.format(table)} EXECUTE FUNCTION audio_ops.{function}()"
        )


def _create_hold_event() -> None:
    op.create_table(
        "hold_event",
        sa.Column("position", sa.BigInteger, autoincrement=False, comment="From 1 without gaps"),
        sa.Column("hold_id", sa.BigInteger, nullable=False, comment="The hold"),
        sa.Column("event", sa.Text, nullable=False, comment="placed, released or forgotten"),
        sa.Column("scope", sa.Text, comment="Of a placed hold: message, conversation or user"),
        sa.Column(
            "subject_sha256", sa.LargeBinary, comment="SHA-256 of the hold's salt and subject"
        ),
        sa.Column("reason_sha256", sa.LargeBinary, comment="SHA-256 of its salt and reason"),
        sa.Column("done_by", sa.Text, comment="Who placed or released it"),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When, by the database's clock",
        ),
        sa.Column(
            "hash",
            sa.LargeBinary,
            nullable=False,
            comment="SHA-256 over the event before and this one's facts",
        ),
        sa.PrimaryKeyConstraint("position", name="hold_event_pkey"),
        sa.CheckConstraint(
            "event IN ('placed', 'released', 'forgotten')", name=op.f("hold_event_event_check")
        ),
        schema=SCHEMA,
    )
