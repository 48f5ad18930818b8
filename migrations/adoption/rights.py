"""Privileges that the roles of `deployments/grants.sql` need, and which of them are missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from migrations.adoption.documented import ANALYSIS, AUDIO_COLUMNS
from migrations.adoption.live import Live
from schema.tables import backfill, deletion, metrics, operations, quality, reconciliation  # noqa: F401 - they fill the metadata
from schema.tables.base import OPERATIONS_SCHEMA, Base

BATCH_ROLE = "kaiwa_audio"  # the flows' login is a member of it
APP_ROLE = "kaiwa_app"  # so is the app's, to read our views
_HIDDEN = sa.text("""
SELECT c.relname FROM pg_class AS c, pg_roles AS r
WHERE r.rolname = :role AND NOT r.rolbypassrls AND NOT r.rolsuper AND c.relrowsecurity
    AND c.relnamespace = CAST('public' AS regnamespace) AND c.relname = ANY(:tables)
ORDER BY c.relname
""")
_SCHEMA = sa.text(
    "SELECT COALESCE(has_schema_privilege(:role, to_regnamespace(:schema), 'USAGE'), true)"
)
_ROLE = sa.text("SELECT to_regrole(:role) IS NOT NULL")
_COLUMN = sa.text("SELECT has_column_privilege(:role, :table, :column, :privilege)")
# Nothing is missing on a table that does not exist.
_TABLE = sa.text(
    "SELECT COALESCE(has_table_privilege(:role, to_regclass(:table), :privilege), true)"
)
_COLUMNS = {
    "users": ("SELECT", ("id", "display_name", "created_at")),
    "subscriptions": ("SELECT", ("id", "user_id", "current_tier", "created_at", "updated_at")),
    "messages": ("UPDATE", AUDIO_COLUMNS),
}
_OURS = sorted(
    table.fullname for table in Base.metadata.tables.values() if table.schema == OPERATIONS_SCHEMA
)
_TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    BATCH_ROLE: {
        "public.conversations": ("SELECT",),
        "public.messages": ("SELECT",),
        f"public.{ANALYSIS}": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        **{str(table): ("SELECT",) for table in _OURS},
    },
    APP_ROLE: {
        "audio_ops.learner_feedback": ("SELECT",),
        "audio_ops.learner_progress": ("SELECT",),
    },
}


_READ = (*_COLUMNS, "conversations", ANALYSIS)


@dataclass(frozen=True, slots=True)
class Rights:
    """Missing privileges of one role."""

    role: str
    exists: bool
    missing: tuple[str, ...]  # such as UPDATE messages.audio_url


def take(connection: sa.Connection, live: Live) -> tuple[Rights, ...]:
    """Return the privileges that each role lacks on existing tables."""
    return tuple(_rights(connection, live, role) for role in _TABLES)


def _rights(connection: sa.Connection, live: Live, role: str) -> Rights:
    if not connection.scalar(_ROLE, {"role": role}):
        return Rights(role, exists=False, missing=())
    missing = [
        f"USAGE on schema {schema}"
        for schema in ("public", "audio_ops")
        if not connection.scalar(_SCHEMA, {"role": role, "schema": schema})
    ]
    missing += _missing_on_tables(connection, role)
    if role == BATCH_ROLE:
        missing += _missing_on_columns(connection, live)
        hidden = connection.execute(_HIDDEN, {"role": role, "tables": list(_READ)}).scalars()
        missing += [f"BYPASSRLS for {table}" for table in hidden]
    return Rights(role, exists=True, missing=tuple(missing))


def _missing_on_tables(connection: sa.Connection, role: str) -> Iterator[str]:
    for table, privileges in _TABLES[role].items():
        for privilege in privileges:
            arguments = {"role": role, "table": table, "privilege": privilege}
            if not connection.scalar(_TABLE, arguments):
                yield f"{privilege} {table.removeprefix('public.')}"


def _missing_on_columns(connection: sa.Connection, live: Live) -> Iterator[str]:
    for table, (privilege, columns) in _COLUMNS.items():
        existing = live.tables[table].columns if table in live.tables else {}
        for column in (column for column in columns if column in existing):
            arguments = {"role": BATCH_ROLE, "table": f"public.{table}", "column": column}
            if not connection.scalar(_COLUMN, arguments | {"privilege": privilege}):
                yield f"{privilege} {table}.{column}"
