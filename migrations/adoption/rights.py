"""What the roles of `deployments/grants.sql` may do, and what they need."""

from dataclasses import dataclass

import sqlalchemy as sa

from migrations.adoption.documented import ANALYSIS, AUDIO_COLUMNS
from migrations.adoption.live import Live

BATCH_ROLE = "kaiwa_audio"
_ROLE = sa.text("SELECT to_regrole(:role) IS NOT NULL")
_COLUMN = sa.text("SELECT has_column_privilege(:role, :table, :column, :privilege)")
_TABLE = sa.text("SELECT has_table_privilege(:role, :table, :privilege)")
_NEEDED_COLUMNS = {
    "users": ("SELECT", ("id", "display_name", "created_at")),
    "subscriptions": ("SELECT", ("id", "user_id", "current_tier", "created_at", "updated_at")),
    "messages": ("UPDATE", AUDIO_COLUMNS),
}
_NEEDED_TABLES = {
    "conversations": ("SELECT",),
    "messages": ("SELECT",),
    ANALYSIS: ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one role."""

    role: str
    exists: bool
    missing: tuple[str, ...]  # such as UPDATE messages.audio_url


def batch_rights(connection: sa.Connection, live: Live) -> Rights:
    """Return which rights on the app's tables, as far as they are there, the flows' role lacks."""
    if not connection.scalar(_ROLE, {"role": BATCH_ROLE}):
        return Rights(BATCH_ROLE, exists=False, missing=())
    missing = []
    for table, privileges in _NEEDED_TABLES.items():
        for privilege in privileges if table in live.tables else ():
            asked = {"role": BATCH_ROLE, "table": f"public.{table}", "privilege": privilege}
            if not connection.scalar(_TABLE, asked):
                missing.append(f"{privilege} {table}")
    for table, (privilege, columns) in _NEEDED_COLUMNS.items():
        there = live.tables[table].columns if table in live.tables else {}
        for column in (column for column in columns if column in there):
            asked = {"role": BATCH_ROLE, "table": f"public.{table}", "column": column}
            if not connection.scalar(_COLUMN, asked | {"privilege": privilege}):
                missing.append(f"{privilege} {table}.{column}")
    return Rights(BATCH_ROLE, exists=True, missing=tuple(missing))
