"""Indexes on tables that are in use."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

_INVALID = sa.text("""
SELECT NOT i.indisvalid FROM pg_index AS i
WHERE i.indexrelid = to_regclass(:name)
""")


def create_concurrently(
    name: str, table: str, columns: Sequence[str], *, where: str | None = None
) -> None:
    """Create an index while the app reads and writes; commits what the migration did so far.

    A try that broke off leaves an INVALID index, which is dropped first. The lock timeout is off
    meanwhile: this waits for old transactions, but nobody waits for it.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        if op.get_bind().scalar(_INVALID, {"name": name}):
            op.drop_index(name, postgresql_concurrently=True)
        op.create_index(
            name,
            table,
            [sa.text(column) for column in columns],
            postgresql_concurrently=True,
            postgresql_where=None if where is None else sa.text(where),
            if_not_exists=True,
        )
        op.execute("RESET lock_timeout")


def drop_concurrently(name: str) -> None:
    """Drop an index while the app reads and writes; commits what the migration did so far."""
    with op.get_context().autocommit_block():
        op.drop_index(name, postgresql_concurrently=True, if_exists=True)
