"""Revoke PUBLIC's right to use our trigger function, which runs with its owner's privileges.

Locks: nothing for longer than a moment; the existing trigger keeps working.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Revoke the default privilege of all roles."""
    op.execute("REVOKE ALL ON FUNCTION audio_ops.queue_orphans() FROM PUBLIC")


def downgrade() -> None:
    """Do nothing: no role needs the privilege."""
