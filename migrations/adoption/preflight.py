"""What must be so before anything is changed; each obstacle says what to do."""

from collections.abc import Iterator

from migrations.adoption.conversions import conversion
from migrations.adoption.documented import (
    ANALYSIS,
    APP_TABLES,
    AUDIO_COLUMNS,
    COLUMNS,
)
from migrations.adoption.live import Live
from migrations.adoption.survey import Survey

OLDEST_SERVER = 130_000
_KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
}
# A tier may be an enum or text; it is read as text.
_READ_AS_TEXT = frozenset({("subscriptions", "current_tier")})


def obstacles(live: Live, survey: Survey) -> list[str]:
    """Return what stands in the way, in words for a person; nothing: it can be done."""
    server = list(_server(live))
    return server or [*_tables(live), *_columns(live, survey)]


def is_empty(live: Live) -> bool:
    """Return whether the database has none of the app's tables."""
    return not {*APP_TABLES, ANALYSIS} & live.tables.keys()


def _server(live: Live) -> Iterator[str]:
    if live.server_version < OLDEST_SERVER:
        yield f"This is Postgres {live.server_version // 10_000}; 13 or newer is needed."
    if live.is_read_only:
        yield "This server takes no writes, as replicas do not: connect to the primary."
    if not live.has_our_schema and not live.may_create_schemas:
        yield (
            f"The role {live.role} may not create the schema audio_ops: grant it CREATE on the"
            " database, or connect as the owner."
        )


def _tables(live: Live) -> Iterator[str]:
    if is_empty(live):
        if not live.may_create_tables:
            yield f"The role {live.role} may create no tables in the schema public."
        return
    for name in APP_TABLES:
        if name not in live.tables:
            yield f"The table {name} is missing: this is not the app's database."
    for name in live.tables.keys() & {*APP_TABLES, ANALYSIS}:
        table = live.tables[name]
        if table.kind != "r":
            yield f"{name} is {_KINDS[table.kind]}, not a table: its columns cannot be changed."
        elif not table.is_ours_to_alter:
            yield (
                f"The role {live.role} does not own {name}: connect as its owner, or as a member of"
                " that role."
            )


def _columns(live: Live, survey: Survey) -> Iterator[str]:
    for table, columns in COLUMNS.items():
        has = live.tables[table].columns if table in live.tables else {}
        for name, documented in columns.items():
            is_mended = table == ANALYSIS or (table == "messages" and name in AUDIO_COLUMNS)
            if name not in has:
                if has and not is_mended:
                    yield f"{table}.{name} is missing: this is not the app's table."
            elif has[name].type != documented.type and (table, name) not in _READ_AS_TEXT:
                yield from _another_type(live, table, name, is_mended=is_mended)
    for column in survey.too_large:
        yield f"{column} holds numbers that no integer holds: correct these rows."


def _another_type(live: Live, table: str, name: str, *, is_mended: bool) -> Iterator[str]:
    type_, documented = live.tables[table].columns[name].type, COLUMNS[table][name].type
    if not is_mended or conversion(name, type_, documented) is None:
        yield f"{table}.{name} is {type_}, not {documented}, and cannot be converted."
        return
    for _, _, view in sorted(view for view in live.views if view[:2] == (table, name)):
        yield (
            f"The view {view} selects {table}.{name}, whose type changes: drop the view, and make"
            " it again afterwards."
        )
