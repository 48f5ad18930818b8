"""Create the control tables: leases, history of analyses, quarantine.

Locks: `messages` against writes for a moment, for each foreign key to it. The new tables are empty.
"""

from functools import partial

import sqlalchemy as sa
from alembic import op

from migrations import parking

revision = "0003"
down_revision = None

SCHEMA = "audio_ops"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    """Restore parked control tables, or create new ones."""
    for table, create in (
        ("lease", _create_lease),
        ("analysis_history", _create_analysis_history),
        ("quarantine", _create_quarantine),
    ):
        if not parking.restore_table(table):
            create()


def downgrade() -> None:
    """Park the control tables."""
    for table in ("lease", "analysis_history", "quarantine"):
        parking.park_table(table)


def _message_id() -> sa.Column[str]:
    return sa.Column(
        "message_id",
        sa.Text,
        nullable=False,
        comment="The message; its deletion deletes this row",
    )


def _references_messages(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["message_id"],
        ["messages.id"],
        name=f"{table}_message_id_messages_id_fk",
        ondelete="CASCADE",
    )


def _create_lease() -> None:
    counter = partial(sa.Column, type_=sa.Integer, server_default=sa.text("0"), nullable=False)
    op.create_table(
        "lease",
        _message_id(),
        sa.Column("token", sa.Uuid, comment="Names the claim that holds it; else empty"),
        sa.Column(
            "owner",
            sa.Text,
            comment="Which worker holds it, for people; rights come from the token alone",
        ),
        sa.Column("leased_until", INSTANT, comment="When others may take it over, unless renewed"),
        sa.Column(
            "available_at",
            INSTANT,
            comment="Not to be claimed before; the pause after a failed try",
        ),
        counter("attempts", comment="Failed tries so far"),
        counter("crashes", comment="Tries that killed their worker process"),
        sa.PrimaryKeyConstraint("message_id", name="lease_pkey"),
        _references_messages("lease"),
        schema=SCHEMA,
    )
    op.create_index("lease_token_idx", "lease", ["token"], schema=SCHEMA)
    op.create_index("lease_leased_until_idx", "lease", ["leased_until"], schema=SCHEMA)


def _create_analysis_history() -> None:
    op.create_table(
        "analysis_history",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of overwriting"),
        _message_id(),
        sa.Column("analyzed_at", INSTANT, nullable=False, comment="When that analysis was made"),
        sa.Column(
            "replaced_at",
            INSTANT,
            server_default=NOW,
            nullable=False,
            comment="When a newer one overwrote it",
        ),
        sa.Column("analysis_version", sa.Text, nullable=False, comment="Its analysis_version"),
        sa.Column("analysis_engine", sa.Text, comment="Its analysis_engine"),
        sa.Column("analysis_model_version", sa.Text, comment="Its model version"),
        sa.Column("analysis_language", sa.Text, comment="Its analysis_language"),
        sa.Column("overall_accuracy_score", sa.Integer, comment="Its accuracy, 0-100"),
        sa.Column("overall_fluency_score", sa.Integer, comment="Its fluency, 0-100"),
        sa.Column("speech_rate_wpm", sa.Integer, comment="Its words per minute with pauses"),
        sa.Column("analysis_error", sa.Text, comment="Its error, if it had failed"),
        sa.PrimaryKeyConstraint("id", name="analysis_history_pkey"),
        _references_messages("analysis_history"),
        schema=SCHEMA,
    )
    op.create_index(
        "analysis_history_message_id_analyzed_at_idx",
        "analysis_history",
        ["message_id", "analyzed_at"],
        schema=SCHEMA,
    )


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), comment="Order of quarantining"),
        _message_id(),
        sa.Column("rule", sa.Text, nullable=False, comment="Name of the broken rule"),
        sa.Column(
            "observed",
            sa.Text,
            nullable=False,
            comment="What was seen instead; never the learner's words",
        ),
        sa.Column(
            "quarantined_at",
            INSTANT,
            server_default=NOW,
            nullable=False,
            comment="When it was set aside",
        ),
        sa.Column("released_at", INSTANT, comment="When a person released it"),
        sa.PrimaryKeyConstraint("id", name="quarantine_pkey"),
        _references_messages("quarantine"),
        schema=SCHEMA,
    )
    op.create_index(
        "quarantine_open_idx",
        "quarantine",
        ["message_id", "rule"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
        schema=SCHEMA,
    )
