"""Index the messages whose score the app's saving again has emptied.

Locks: nothing that stops reads or writes; the build reads `messages` twice. The columns of its
condition are in the app's own indexes already, so no update in place ends with it.
"""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Find what is to be put back without a walk through all messages."""
    create_concurrently(
        "audio_ops_messages_overwritten_idx",
        "messages",
        ["id"],
        where="audio_processing_state = 'analyzed' AND pronunciation_score IS NULL"
        " AND fluency_score IS NOT NULL",
    )


def downgrade() -> None:
    """Drop it."""
    drop_concurrently("audio_ops_messages_overwritten_idx")
