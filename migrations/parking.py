"""Park our own tables in `audio_ops` instead of dropping them, and bring them back."""

import sqlalchemy as sa
from alembic import op

SCHEMA = "audio_ops"


def park_table(table: str) -> None:
    """Rename a table to `parked_<table>`, keeping rows, indexes and constraints."""
    op.rename_table(table, f"parked_{table}", schema=SCHEMA)


def restore_table(table: str) -> bool:
    """Rename a parked table back; return whether there was one."""
    if not sa.inspect(op.get_bind()).has_table(f"parked_{table}", schema=SCHEMA):
        return False
    op.rename_table(f"parked_{table}", table, schema=SCHEMA)
    return True
