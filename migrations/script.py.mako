"""${message}.

Locks: say what it locks, and for how long.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say what becomes true."""


def downgrade() -> None:
    """Park data rather than drop it."""
