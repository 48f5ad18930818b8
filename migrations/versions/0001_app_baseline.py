"""Create those of the app's tables that are missing, as they were before its migration 0023.

Locks: nothing. On the app's own database they all exist and are left as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UTC = sa.DateTime()  # the app's instants: without time zone, in UTC
NEW_ID = sa.text("gen_random_uuid()")
NOW = sa.text("now()")


def upgrade() -> None:
    """Make a database on which the app's migration 0023 can run."""
    existing = sa.inspect(op.get_bind()).get_table_names()
    if "users" not in existing:
        _create_users()
    if "subscriptions" not in existing:
        _create_subscriptions()
    if "conversations" not in existing:
        _create_conversations()
    if "messages" not in existing:
        _create_messages()


def downgrade() -> None:
    """Leave the app's tables alone: they are not ours to drop."""


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, server_default=NEW_ID, nullable=False),
        sa.Column("display_name", sa.Text),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("created_at", UTC, server_default=NOW),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email", name="users_email_unique"),
    )


def _create_subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid, server_default=NEW_ID, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("current_tier", sa.Text),
        sa.PrimaryKeyConstraint("id", name="subscriptions_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="subscriptions_user_id_users_id_fk"
        ),
    )
    op.create_index("subscriptions_user_id_idx", "subscriptions", ["user_id"])


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("guest_id", sa.Text),
        sa.Column("target_language_id", sa.Text, nullable=False),
        sa.Column("started_at", UTC, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="conversations_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="conversations_user_id_users_id_fk"
        ),
    )
    op.create_index("conversations_user_id_idx", "conversations", ["user_id"])


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("timestamp", UTC, server_default=NOW, nullable=False),
        sa.Column("audio_url", sa.Text),
        sa.Column("audio_duration", sa.Text),
        sa.Column("pronunciation_score", sa.Text),
        sa.Column("speech_timings", sa.dialects.postgresql.JSONB),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="messages_conversation_id_conversations_id_fk",
        ),
    )
    op.create_index("messages_conversation_id_idx", "messages", ["conversation_id"])
    op.create_index("messages_role_idx", "messages", ["role"])
    op.create_index("messages_timestamp_idx", "messages", ["timestamp"])
    op.create_index(
        "messages_conversation_timestamp_idx", "messages", ["conversation_id", "timestamp"]
    )
    op.create_index("messages_conversation_role_idx", "messages", ["conversation_id", "role"])
