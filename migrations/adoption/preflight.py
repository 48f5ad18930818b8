"""Obstacles to an upgrade or rollback, each with what to do about it; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrations.adoption.conversions import conversion, is_text
from migrations.adoption.documented import (
    ANALYSIS,
    APP_TABLES,
    AUDIO_COLUMNS,
    COLUMNS,
    OF_EITHER_TYPE,
    DocumentedColumn,
)
from migrations.adoption.live import Column, Live, Table
from migrations.adoption.survey import Survey

OLDEST_SERVER = 130_000
_KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
}
_OLD_DURATION = "audio_duration"  # before the app's migration 0023


@dataclass(frozen=True, slots=True)
class Use:
    """A column that will be changed or dropped."""

    table: str
    column: str
    is_interpreted: bool  # its values will have another meaning, or be dropped


def obstacles(live: Live) -> list[str]:
    """Return the obstacles to an upgrade, in words; none if it can be done."""
    server = list(_server(live))
    return server or [
        *_rights(live),
        *_strangeness(live),
        *_odd_timings(live),
        *_dependents(live),
    ]


def obstacles_to_rollback(live: Live, used: Iterable[Use]) -> list[str]:
    """Return the obstacles to a rollback that changes or drops these columns."""
    server = list(_server(live))
    return server or [*_ownership(live), *_in_use(live, used)]


def can_be_surveyed(live: Live) -> bool:
    """Return whether the rows can be surveyed: all of the app's tables have the expected form."""
    return not any(_strangeness(live))


def obstacles_in_rows(survey: Survey) -> list[str]:
    """Return the obstacles in the rows."""
    return [
        f"{column} holds numbers that no integer holds: correct these rows."
        for column in survey.too_large
    ]


def is_empty(live: Live) -> bool:
    """Return whether the database has none of the app's tables."""
    return not {*APP_TABLES, ANALYSIS} & live.tables.keys()


def _server(live: Live) -> Iterator[str]:
    if live.server_version < OLDEST_SERVER:
        yield f"This is Postgres {live.server_version // 10_000}; 13 or newer is needed."
    if live.is_read_only:
        yield "This server takes no writes, as replicas do not: connect to the primary."


def _rights(live: Live) -> Iterator[str]:
    if not live.has_our_schema and not live.may_create_schemas:
        yield (
            f"The role {live.role} may not create the schema audio_ops: grant it CREATE on the"
            " database, or connect as the owner."
        )
    if not live.may_create_tables:
        yield (
            f"The role {live.role} may not create tables and indexes in the schema public: grant it"
            " CREATE on that schema, or connect as the owner."
        )
    yield from _ownership(live)


def _ownership(live: Live) -> Iterator[str]:
    if live.has_our_schema and not live.may_change_our_schema:
        yield (
            f"The role {live.role} does not own all tables in the schema audio_ops: connect as the"
            " role that created them."
        )
    for name, table in _app_tables(live):
        if table.kind == "r" and not table.is_ours_to_alter:
            yield (
                f"The role {live.role} does not own {name}: connect as its owner, or as a member of"
                " that role."
            )
        if name in {"messages", ANALYSIS} and table.hides_rows:  # all rows must be read and kept
            yield (
                f"Row security hides rows of {name} from the role {live.role}: connect as a role"
                " with BYPASSRLS."
            )


def _app_tables(live: Live) -> list[tuple[str, Table]]:
    return [(name, live.tables[name]) for name in (*APP_TABLES, ANALYSIS) if name in live.tables]


def _strangeness(live: Live) -> Iterator[str]:
    """Yield reasons why these are not the app's tables, or cannot be read as documented."""
    if is_empty(live):
        return
    for name in APP_TABLES:
        if name not in live.tables:
            yield f"The table {name} is missing: this is not the app's database."
    for name, table in _app_tables(live):
        if table.kind != "r":
            yield f"{name} is {_KINDS[table.kind]}, not a table: its columns cannot be changed."
    for where, name, current, documented in _documented(live):
        if reason := _strange(where, name, current, documented):
            yield f"{where}.{name} {reason}"


def _strange(
    table: str, name: str, current: Column | None, documented: DocumentedColumn
) -> str | None:
    if current is None:
        can_be_added = documented.is_nullable or documented.default is not None
        is_in_order = _is_mended(table, name) and can_be_added
        return None if is_in_order else "is missing: this is not the app's table."
    if current.is_generated:
        return "is generated and so cannot be written: make it a plain column."
    if current.type == documented.type or (table, name) in OF_EITHER_TYPE:
        return None
    if _is_mended(table, name) and conversion(name, current.type, documented.type) is not None:
        return None
    return f"is {current.type}, not {documented.type}, and cannot be converted."


def _documented(live: Live) -> Iterator[tuple[str, str, Column | None, DocumentedColumn]]:
    """Yield each documented column of existing tables, by its name in the database."""
    for table, columns in COLUMNS.items():
        if table not in live.tables:
            continue
        there = live.tables[table].columns
        for name, documented in columns.items():
            is_old = name == "audio_duration_ms" and name not in there and _OLD_DURATION in there
            known_as = _OLD_DURATION if is_old else name
            yield table, known_as, there.get(known_as), documented


def _is_mended(table: str, name: str) -> bool:
    return table == ANALYSIS or (table == "messages" and name in {*AUDIO_COLUMNS, _OLD_DURATION})


def _odd_timings(live: Live) -> Iterator[str]:
    messages = live.tables.get("messages")
    timings = messages.columns.get("speech_timings") if messages else None
    if timings and timings.type not in {"json", "jsonb"}:
        yield f"messages.speech_timings is {timings.type}, not jsonb, and cannot be parked."


def _dependents(live: Live) -> Iterator[str]:
    changed = [
        Use(table, name, is_interpreted=is_text(current.type) and documented.type == "integer")
        for table, name, current, documented in _documented(live)
        if current is not None and current.type != documented.type and _is_mended(table, name)
    ]
    yield from _in_use(live, [*changed, Use("messages", "speech_timings", is_interpreted=True)])


def _in_use(live: Live, used: Iterable[Use]) -> Iterator[str]:
    for use in used:
        for dependent in live.dependents:
            is_of_it = (dependent.table, dependent.column) == (use.table, use.column)
            # Postgres rebuilds it with the same expression, which will hardly fit numbers.
            if is_of_it and (use.is_interpreted or not dependent.is_rebuilt):
                yield (
                    f"{use.table}.{use.column} must be changed, but {dependent.description} uses "
                    "it: drop that, and create it again afterwards."
                )
