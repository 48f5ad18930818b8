"""Read the database's schema from its catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from migrations.adoption.documented import normal_default, normal_definition

_SERVER = sa.text("""
SELECT CAST(current_setting('server_version_num') AS integer) AS version,
    pg_is_in_recovery() OR CAST(current_setting('default_transaction_read_only') AS boolean)
        AS is_read_only,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schemas,
    has_schema_privilege('public', 'CREATE') AS may_create_tables,
    CAST(current_user AS text) AS role,
    to_regnamespace('audio_ops') IS NOT NULL AS has_our_schema,
    COALESCE(has_schema_privilege(to_regnamespace('audio_ops'), 'CREATE'), true) AND NOT EXISTS (
        SELECT FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('audio_ops')
            AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE')
    ) AS may_change_our_schema
""")
_TABLES = sa.text("""
SELECT c.relname AS name, CAST(c.relkind AS text) AS kind,
    quote_ident(pg_get_userbyid(c.relowner)) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS is_ours_to_alter,
    row_security_active(c.oid) AS hides_rows,
    CAST(GREATEST(c.reltuples, 0) AS bigint) AS rows, pg_total_relation_size(c.oid) AS bytes
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
""")
_COLUMNS = sa.text("""
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    pg_get_expr(d.adbin, d.adrelid) AS default, NOT a.attnotnull AS is_nullable,
    to_jsonb(a) ->> 'attgenerated' IN ('s', 'v') AS is_generated -- Postgres 11 does not have it
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
""")
_CONSTRAINTS = sa.text("""
SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS definition,
    k.convalidated AS is_valid
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
WHERE c.relnamespace = to_regnamespace('public') AND k.contype IN ('p', 'u', 'f')
""")
_INDEXES = sa.text("""
SELECT t.relname AS table, i.relname AS name, pg_get_indexdef(x.indexrelid) AS definition,
    x.indisvalid AND x.indisready AS is_valid
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS t ON t.oid = x.indrelid
WHERE t.relnamespace = to_regnamespace('public')
""")
_TRIGGERS = sa.text("""
SELECT g.tgname AS name, g.tgenabled <> 'D' AS is_enabled, p.proname AS function
FROM pg_trigger AS g JOIN pg_class AS t ON t.oid = g.tgrelid JOIN pg_proc AS p ON p.oid = g.tgfoid
WHERE t.relnamespace = to_regnamespace('public') AND NOT g.tgisinternal
""")
# What uses a column. Postgres refuses to change the type of a column that a view, rule, trigger,
# policy, generated column, function or publication uses; indexes and constraints are rebuilt with
# the same expression. Our own indexes and views are handled by the upgrade.
_DEPENDENTS = sa.text("""
SELECT DISTINCT t.relname AS table, a.attname AS column,
    CASE WHEN v.relkind IN ('v', 'm') THEN pg_describe_object(v.tableoid, v.oid, 0)
        ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS dependent,
    x.indexrelid IS NOT NULL OR k.oid IS NOT NULL AS is_rebuilt
FROM pg_depend AS d
JOIN pg_class AS t ON t.oid = d.refobjid
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_rewrite AS r ON r.tableoid = d.classid AND r.oid = d.objid
LEFT JOIN pg_class AS v ON v.oid = r.ev_class
LEFT JOIN pg_attrdef AS f ON f.tableoid = d.classid AND f.oid = d.objid
LEFT JOIN pg_constraint AS k ON k.tableoid = d.classid AND k.oid = d.objid
LEFT JOIN pg_index AS x ON x.indexrelid = d.objid AND d.classid = t.tableoid
WHERE d.refclassid = t.tableoid AND t.relnamespace = to_regnamespace('public') AND (
    d.classid = ANY(CAST(ARRAY['pg_rewrite', 'pg_trigger', 'pg_policy', 'pg_proc',
        'pg_publication_rel'] AS regclass[]))
    OR f.adrelid <> t.oid OR f.adnum <> a.attnum
    OR k.contype IN ('c', 'f', 'x')
    OR (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL) AND NOT EXISTS (
        SELECT FROM pg_class AS i WHERE i.oid = d.objid AND starts_with(i.relname, 'audio_ops_')
    )
) AND (v.oid IS NULL OR v.relnamespace IS DISTINCT FROM to_regnamespace('audio_ops'))
""")
# Postgres silently drops some of these with the column; ours are excluded, as they are rebuilt.
_BOUND_COLUMNS = sa.text("""
SELECT DISTINCT a.attname
FROM pg_depend AS d
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_class AS c ON c.oid = d.objid AND d.classid = CAST('pg_class' AS regclass)
WHERE d.refclassid = CAST('pg_class' AS regclass)
    AND d.refobjid = to_regclass('public.messages') AND COALESCE(c.relname, '') NOT IN
        ('messages_pronunciation_idx', 'audio_ops_messages_unread_idx',
        'audio_ops_messages_overwritten_idx')
""")
_PARKED_COLUMNS = sa.text("""
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass('audio_ops.parked_columns') AND attnum > 0 AND NOT attisdropped
""")
_OUR_FUNCTIONS = {"queue_orphans", "shadow_texts"}
_FUNCTION = sa.text("SELECT to_regproc('audio_ops.queue_orphans') IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    type: str  # as `format_type` prints it
    default: str | None  # without casts
    expression: str | None  # the default as the catalogue prints it
    is_nullable: bool
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary key, unique constraint or foreign key."""

    definition: str  # normalised
    is_valid: bool


@dataclass(frozen=True, slots=True)
class Index:
    """An index."""

    table: str
    definition: str  # normalised
    is_valid: bool  # false if its build was interrupted


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the app, or another relation with its name."""

    kind: str  # `pg_class.relkind`
    owner: str  # quoted for SQL
    is_ours_to_alter: bool  # this role owns it, or is a member of its owner
    hides_rows: bool  # row security applies to this role
    rows: int  # estimated
    size_bytes: int  # with its indexes
    columns: Mapping[str, Column] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Dependent:
    """Something that uses a column."""

    table: str
    column: str
    description: str  # such as `view scores`
    is_rebuilt: bool  # Postgres rebuilds it when the column's type changes


@dataclass(frozen=True, slots=True)
class Live:
    """The database's current schema, and what this role may do."""

    server_version: int  # such as 150018
    is_read_only: bool
    role: str
    may_create_schemas: bool
    may_create_tables: bool
    has_our_schema: bool
    may_change_our_schema: bool
    has_orphan_queue: bool  # the function that our trigger on `messages` calls
    tables: Mapping[str, Table]
    indexes: Mapping[str, Index]
    triggers: Mapping[str, bool]  # whether enabled and calling our function
    bound_columns: frozenset[str]  # of `messages`, used by an index, key, view or similar
    dependents: tuple[Dependent, ...]
    parked_columns: frozenset[str]  # of `messages`, parked by an earlier rollback


def read(connection: sa.Connection) -> Live:
    """Read the schema `public`."""
    server = connection.execute(_SERVER).one()
    columns: dict[str, dict[str, Column]] = {}
    for row in connection.execute(_COLUMNS).mappings():
        column = Column(
            type=row["type"],
            default=normal_default(row["default"]),
            expression=row["default"],
            is_nullable=row["is_nullable"],
            is_generated=row["is_generated"],
        )
        columns.setdefault(row["table"], {})[row["name"]] = column
    constraints: dict[str, dict[str, Constraint]] = {}
    for row in connection.execute(_CONSTRAINTS).mappings():
        constraint = Constraint(normal_definition(row["definition"]), row["is_valid"])
        constraints.setdefault(row["table"], {})[row["name"]] = constraint
    return Live(
        server_version=server.version,
        is_read_only=server.is_read_only,
        role=server.role,
        may_create_schemas=server.may_create_schemas,
        may_create_tables=server.may_create_tables,
        has_our_schema=server.has_our_schema,
        may_change_our_schema=server.may_change_our_schema,
        has_orphan_queue=server.has_our_schema and bool(connection.scalar(_FUNCTION)),
        tables={
            row.name: Table(
                kind=row.kind,
                owner=row.owner,
                is_ours_to_alter=row.is_ours_to_alter,
                hides_rows=row.hides_rows,
                rows=row.rows,
                size_bytes=row.bytes,
                columns=columns.get(row.name, {}),
                constraints=constraints.get(row.name, {}),
            )
            for row in connection.execute(_TABLES)
        },
        indexes={
            row["name"]: Index(row["table"], normal_definition(row["definition"]), row["is_valid"])
            for row in connection.execute(_INDEXES).mappings()
        },
        triggers={
            row.name: row.is_enabled and row.function in _OUR_FUNCTIONS
            for row in connection.execute(_TRIGGERS)
        },
        bound_columns=frozenset(connection.execute(_BOUND_COLUMNS).scalars()),
        dependents=tuple(sorted(Dependent(*row) for row in connection.execute(_DEPENDENTS))),
        parked_columns=frozenset(connection.execute(_PARKED_COLUMNS).scalars()),
    )
