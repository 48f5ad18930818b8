"""Create the app's tables in an empty database.

Locks: nothing. On the app's own database they all exist and are left as they are.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make a database on which the app's migration 0023 can run."""
    if not sa.inspect(op.get_bind()).get_table_names():
        op.execute((Path(__file__).parents[1] / "adoption" / "app_tables.sql").read_text())


def downgrade() -> None:
    """Leave the app's tables alone: they are not ours to drop."""
