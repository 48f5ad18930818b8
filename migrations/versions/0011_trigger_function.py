"""Let nobody put our trigger's function on a table of their own, where it has its owner's rights.

Safe on a live database: nothing is locked for longer than a moment; the trigger goes on.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Take back what every role has by default."""
    op.execute("REVOKE ALL ON FUNCTION audio_ops.queue_orphans() FROM PUBLIC")


def downgrade() -> None:
    """Leave it: nobody needs the right."""
