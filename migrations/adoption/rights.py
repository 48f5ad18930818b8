"""Privileges of the roles of `deployments/grants.sql`: what they lack, and what they have left."""

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
_READ_COLUMNS = {
    "users": ("id", "native_language_id"),
    "subscriptions": ("id", "user_id", "current_tier", "created_at", "updated_at"),
    "conversations": ("id", "user_id", "target_language_id"),
    "messages": ("id", "conversation_id", "role", "content", "timestamp", *AUDIO_COLUMNS),
}
_COLUMNS = (
    *(("SELECT", table, columns) for table, columns in _READ_COLUMNS.items()),
    ("UPDATE", "messages", AUDIO_COLUMNS),
)
# What earlier versions of grants.sql granted and this one revokes.
_FORMER = (
    ("UPDATE", "audio_ops.deletion_ledger", "position"),
    ("UPDATE", "audio_ops.legal_hold", "released_at"),
    ("SELECT", "public.users", "display_name"),
    ("SELECT", "public.conversations", "title"),
    ("SELECT", "public.messages", "translated_content"),
)
_HAS_COLUMN = sa.text("""
SELECT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column
        AND NOT attisdropped
)
""")
_FUNCTIONS_OF_ALL = sa.text("""
SELECT 'EXECUTE ' || CAST(CAST(p.oid AS regprocedure) AS text) || ', as every role'
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('audio_ops')
    AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY 1
""")
_OURS = sorted(
    table.fullname for table in Base.metadata.tables.values() if table.schema == OPERATIONS_SCHEMA
)
_TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    BATCH_ROLE: {
        f"public.{ANALYSIS}": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        **{str(table): ("SELECT",) for table in _OURS},
    },
    APP_ROLE: {
        "audio_ops.learner_feedback": ("SELECT",),
        "audio_ops.learner_progress": ("SELECT",),
    },
}


_READ = (*_READ_COLUMNS, ANALYSIS)


@dataclass(frozen=True, slots=True)
class Rights:
    """Privileges of one role that differ from those of `grants.sql`."""

    role: str
    exists: bool
    missing: tuple[str, ...]  # such as UPDATE messages.audio_url
    surplus: tuple[str, ...] = ()  # no longer needed


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
    surplus: tuple[str, ...] = ()
    if role == BATCH_ROLE:
        missing += _missing_on_columns(connection, live)
        hidden = connection.execute(_HIDDEN, {"role": role, "tables": list(_READ)}).scalars()
        missing += [f"BYPASSRLS for {table}" for table in hidden]
        surplus = tuple(_surplus(connection))
    return Rights(role, exists=True, missing=tuple(missing), surplus=surplus)


def _missing_on_tables(connection: sa.Connection, role: str) -> Iterator[str]:
    for table, privileges in _TABLES[role].items():
        for privilege in privileges:
            arguments = {"role": role, "table": table, "privilege": privilege}
            if not connection.scalar(_TABLE, arguments):
                yield f"{privilege} {table.removeprefix('public.')}"


def _missing_on_columns(connection: sa.Connection, live: Live) -> Iterator[str]:
    for privilege, table, columns in _COLUMNS:
        existing = live.tables[table].columns if table in live.tables else {}
        for column in (column for column in columns if column in existing):
            if not _has(connection, privilege, f"public.{table}", column):
                yield f"{privilege} {table}.{column}"


def _surplus(connection: sa.Connection) -> Iterator[str]:
    for privilege, table, column in _FORMER:
        exists = connection.scalar(_HAS_COLUMN, {"table": table, "column": column})
        if exists and _has(connection, privilege, table, column):
            yield f"{privilege} {table.removeprefix('public.')}.{column}"
    yield from connection.execute(_FUNCTIONS_OF_ALL).scalars()


def _has(connection: sa.Connection, privilege: str, table: str, column: str) -> bool:
    wanted = {"role": BATCH_ROLE, "table": table, "column": column, "privilege": privilege}
    return bool(connection.scalar(_COLUMN, wanted))
