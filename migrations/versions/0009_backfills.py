"""Create backfills and their messages.

Locks: nothing for longer than a moment; the tables are new.
"""

from functools import partial

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations import parking

revision = "0009"
down_revision = "0008"

SCHEMA = "audio_ops"
INSTANT = sa.DateTime(timezone=True)
TABLES = ("backfill", "backfill_item", "backfill_previous")
OUTCOMES = "'analyzed', 'failed', 'quarantined', 'gone', 'live', 'newer', 'undone'"
column = partial(sa.Column, nullable=False)
optional = partial(sa.Column, nullable=True)


def upgrade() -> None:
    """Restore parked tables, or create new ones."""
    make = (_backfill, _backfill_item, _backfill_previous)
    for table, make_table in zip(TABLES, make, strict=True):
        if not parking.restore_table(table):
            make_table()


def downgrade() -> None:
    """Park the tables."""
    for table in reversed(TABLES):
        parking.park_table(table)


def _backfill() -> None:
    op.create_table(
        "backfill",
        column("id", sa.BigInteger, sa.Identity(always=True), comment="Its number, for people"),
        column(
            "fingerprint",
            sa.Text,
            comment="SHA-256 of the selection, the engine's version and the reason",
        ),
        column("selection", JSONB, comment="What was asked for"),
        column("reason", sa.Text, comment="Why, in the words of whoever started it"),
        column(
            "engine_version",
            sa.Text,
            comment="Engine, version and models that analyse; no other may go on with it",
        ),
        column(
            "created_at",
            INSTANT,
            server_default=sa.text("now()"),
            comment="When it was asked for; what was said later is not in it",
        ),
        optional(
            "frozen_at", INSTANT, comment="When its selection was whole; nothing is claimed before"
        ),
        optional(
            "frozen_to", JSONB, comment="Timestamp and id of the last message selected so far"
        ),
        column("selected", sa.BigInteger, comment="Messages in the selection"),
        optional("flow_run_id", sa.Uuid, comment="The Prefect run that drives it, or did last"),
        optional(
            "stopped_at",
            INSTANT,
            comment="Since when its workers claim nothing; a rerun or `resume` goes on",
        ),
        optional("canary", JSONB, comment="How the first sample compares with what was stored"),
        optional(
            "approved_by",
            sa.Text,
            comment="Who let it go on after the first sample; policy, if it changed little",
        ),
        optional("ended_at", INSTANT, comment="When the last message was done"),
        optional("report", JSONB, comment="What it did, in numbers"),
        optional("undone_at", INSTANT, comment="When putting back what it overwrote began"),
        optional("undo_reason", sa.Text, comment="Why it was undone"),
        optional(
            "released_at",
            INSTANT,
            comment="When the documents that it overwrote were let go of; no undoing then",
        ),
        sa.PrimaryKeyConstraint("id", name="backfill_pkey"),
        schema=SCHEMA,
    )
    op.create_index(
        "backfill_fingerprint_idx",
        "backfill",
        ["fingerprint"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("undone_at IS NULL"),
    )


def _backfill_item() -> None:
    op.create_table(
        "backfill_item",
        column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of work"),
        column("backfill_id", sa.BigInteger, comment="The backfill"),
        column("message_id", sa.Text, comment="The message; its deletion deletes this row"),
        column("engine_version", sa.Text, comment="The backfill's"),
        column("language", sa.Text, comment="Of its conversation"),
        column("is_canary", sa.Boolean, comment="Whether it is in the first sample"),
        optional("token", sa.Uuid, comment="Names the claim that holds it; else empty"),
        optional(
            "owner",
            sa.Text,
            comment="Which worker holds it, for people; rights come from the token alone",
        ),
        optional("leased_until", INSTANT, comment="When others may take it over, unless renewed"),
        optional(
            "available_at",
            INSTANT,
            comment="Not to be claimed before; the pause after a failed try",
        ),
        column("attempts", sa.Integer, server_default=sa.text("0"), comment="Failed tries so far"),
        column(
            "crashes",
            sa.Integer,
            server_default=sa.text("0"),
            comment="Tries that killed their worker process",
        ),
        optional("outcome", sa.Text, comment="What became of it; empty: to be done"),
        optional("cause", sa.Text, comment="Why it failed"),
        optional("done_at", INSTANT, comment="When it was done"),
        optional(
            "storage_key",
            sa.Text,
            comment="Of the recording that was analysed; another key is another recording",
        ),
        optional("message_state", sa.Text, comment="The message's state when it was claimed"),
        optional("seen_at", INSTANT, comment="Of the analysis that stood when it was claimed"),
        optional(
            "analyzed_at",
            INSTANT,
            comment="Of the analysis that it wrote; only while that stands it can be undone",
        ),
        optional("accuracy_before", sa.Integer, comment="0-100, of the overwritten one"),
        optional("accuracy_after", sa.Integer, comment="0-100"),
        optional("fluency_before", sa.Integer, comment="0-100, of the overwritten one"),
        optional("fluency_after", sa.Integer, comment="0-100"),
        optional("audio_ms", sa.Integer, comment="Length of the recording analysed, ms"),
        optional("cpu_ms", sa.Integer, comment="What its analysis took, ms"),
        sa.PrimaryKeyConstraint("id", name="backfill_item_pkey"),
        sa.ForeignKeyConstraint(
            ["backfill_id"],
            ["audio_ops.backfill.id"],
            name="backfill_item_backfill_id_backfill_id_fk",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.id"],
            name="backfill_item_message_id_messages_id_fk",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(f"outcome IN ({OUTCOMES})", name=op.f("backfill_item_outcome_check")),
        schema=SCHEMA,
    )
    index = partial(op.create_index, table_name="backfill_item", schema=SCHEMA)
    index(
        "backfill_item_message_id_engine_version_idx",
        columns=["message_id", "engine_version"],
        unique=True,
        postgresql_where=sa.text("outcome IS NULL OR outcome = 'analyzed'"),
    )
    index(
        "backfill_item_open_idx",
        columns=["backfill_id", sa.text("id NULLS FIRST")],
        postgresql_where=sa.text("outcome IS NULL"),
    )
    index(
        "backfill_item_canary_idx",
        columns=["backfill_id", "id"],
        postgresql_where=sa.text("is_canary"),
    )
    index("backfill_item_backfill_id_idx", columns=["backfill_id", "id"])
    index("backfill_item_message_id_idx", columns=["message_id"])
    index(
        "backfill_item_token_idx",
        columns=["token"],
        postgresql_where=sa.text("token IS NOT NULL"),
    )


def _backfill_previous() -> None:
    op.create_table(
        "backfill_previous",
        column(
            "item_id", sa.BigInteger, autoincrement=False, comment="The message of the backfill"
        ),
        column("document", JSONB, comment="The columns of the message, and the analysis or null"),
        sa.PrimaryKeyConstraint("item_id", name="backfill_previous_pkey"),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["audio_ops.backfill_item.id"],
            name="backfill_previous_item_id_backfill_item_id_fk",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )
