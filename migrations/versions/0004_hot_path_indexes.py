"""Index the rows that wait for analysis and those whose audio expires.

Locks: nothing that stops reads or writes; each build reads `messages` twice. The names begin with
`audio_ops_`, so that the app's people know whose they are. NULLS FIRST sets these apart from the
app's indexes on the same columns, which the planner would else choose by mistake (docs/adr/0014).
Stale rows in `analyzing` are found by the app's own messages_audio_processing_idx: there are few.
"""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make claims and sweeps read from the head of an index, whatever the table's size."""
    create_concurrently(
        "audio_ops_messages_waiting_idx",
        "messages",
        ["timestamp NULLS FIRST", "id"],
        where="audio_processing_state = 'uploaded' AND audio_storage_key IS NOT NULL"
        " AND audio_deleted_at IS NULL",
    )
    create_concurrently(
        "audio_ops_messages_expiring_idx",
        "messages",
        ["audio_retention_expires_at NULLS FIRST", "id"],
        where="audio_storage_key IS NOT NULL AND audio_deleted_at IS NULL",
    )


def downgrade() -> None:
    """Drop both."""
    drop_concurrently("audio_ops_messages_expiring_idx")
    drop_concurrently("audio_ops_messages_waiting_idx")
