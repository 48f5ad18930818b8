"""${message}.

Locks: what it locks, and for how long.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Describe the change."""


def downgrade() -> None:
    """Park data instead of dropping it."""
