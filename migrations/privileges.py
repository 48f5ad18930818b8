"""Pass on what roles may do, when a migration replaces one object by another.

Roles get their rights from `deployments/grants.sql`, which may be run long after a migration. In
between, flows of either version must not fail.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

_HOLDERS = sa.text("""
SELECT DISTINCT CAST(CAST(granted.grantee AS regrole) AS text) AS role
FROM pg_class AS c
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = :column
CROSS JOIN LATERAL aclexplode(c.relacl || a.attacl) AS granted
WHERE c.oid = CAST(:table AS regclass) AND granted.privilege_type = :privilege
    AND granted.grantee NOT IN (0, c.relowner)
ORDER BY role
""")


def holders(privilege: str, table: str, column: str | None = None) -> Iterator[str]:
    """Yield the roles, quoted, that were granted a privilege on a table or one of its columns."""
    arguments = {"privilege": privilege, "table": table, "column": column}
    yield from op.get_bind().execute(_HOLDERS, arguments).scalars()


def close(table: str) -> None:
    """Revoke every right to write a new table, which default privileges may have granted."""
    for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
        for role in holders(privilege, table):
            op.execute(f"REVOKE {privilege} ON {table} FROM {role}")
