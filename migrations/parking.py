"""Park data in `audio_ops` instead of dropping it, and bring it back.

Parked copies of a message's data reference it with ON DELETE CASCADE: what the app deletes in the
meantime must not survive here, nor come back.
"""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from alembic import op

SCHEMA = "audio_ops"
PARKED_COLUMNS = f"{SCHEMA}.parked_messages"


def has_table(table: str, schema: str | None = None) -> bool:
    """Return whether the table exists now."""
    return sa.inspect(op.get_bind()).has_table(table, schema=schema)


def park_table(table: str, *, schema: str = SCHEMA) -> None:
    """Move a table with rows, indexes and constraints to `audio_ops.parked_<table>`."""
    if schema != SCHEMA:
        op.execute(f"ALTER TABLE {schema}.{table} SET SCHEMA {SCHEMA}")
    op.rename_table(table, f"parked_{table}", schema=SCHEMA)


def restore_table(table: str, *, schema: str = SCHEMA) -> bool:
    """Move a parked table back; return whether there was one."""
    if not has_table(f"parked_{table}", SCHEMA):
        return False
    op.rename_table(f"parked_{table}", table, schema=SCHEMA)
    if schema != SCHEMA:
        op.execute(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA {schema}")
    return True


def park_columns(columns: Iterable[str]) -> None:
    """Copy columns of `messages` to `audio_ops.parked_messages`, then drop them."""
    names = sorted(columns)
    op.execute(
        f"CREATE TABLE {PARKED_COLUMNS} AS SELECT id, {', '.join(names)} FROM messages"  # noqa: S608 - names of our own columns
    )
    op.execute(
        f"ALTER TABLE {PARKED_COLUMNS} ADD PRIMARY KEY (id),"
        " ADD FOREIGN KEY (id) REFERENCES messages ON DELETE CASCADE"
    )
    op.execute(f"ALTER TABLE messages {_drop(names)}")


def restore_columns(columns: Collection[str]) -> None:
    """Fill just added columns of `messages` from their parked copies, and drop the copies."""
    if not columns or not has_table("parked_messages", SCHEMA):
        return
    parked = {c["name"] for c in sa.inspect(op.get_bind()).get_columns("parked_messages", SCHEMA)}
    restored = sorted(parked.intersection(columns))
    if not restored:
        return
    values = ", ".join(f"{name} = parked.{name}" for name in restored)
    op.execute(
        f"UPDATE messages SET {values} FROM {PARKED_COLUMNS} AS parked"  # noqa: S608 - names of our own columns
        " WHERE parked.id = messages.id"
    )
    op.execute(f"ALTER TABLE {PARKED_COLUMNS} {_drop(restored)}")
    if parked == {"id", *restored}:
        op.execute(f"DROP TABLE {PARKED_COLUMNS}")


def _drop(columns: Iterable[str]) -> str:
    return ", ".join(f"DROP COLUMN {name}" for name in columns)
