"""Compare the database's schema with the documented one, item by item; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from migrations.adoption.documented import (
    ANALYSIS,
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    OF_EITHER_TYPE,
    DocumentedColumn,
)
from migrations.adoption.live import Column, Live
from stores.app_objects import TRIGGER

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One documented item, and its actual state."""

    kind: str  # column, key, index or trigger
    name: str
    expected: str
    actual: str

    @property
    def is_as_documented(self) -> bool:
        """Whether the actual state is the documented one."""
        return self.expected == self.actual


def findings(live: Live) -> list[Finding]:
    """Return every documented column, key, index and trigger with its actual state."""
    return [*_columns(live), *_keys(live), *_indexes(live), *_triggers(live)]


def _columns(live: Live) -> Iterator[Finding]:
    for table, columns in COLUMNS.items():
        current = live.tables[table].columns if table in live.tables else {}
        for name, documented in columns.items():
            found = current.get(name)
            expected = _described(documented)
            if found is not None and (table, name) in OF_EITHER_TYPE:
                expected = _described(found)
            actual = MISSING if found is None else _described(found)
            yield Finding("column", f"{table}.{name}", expected, actual)
    for old in ("audio_duration", "speech_timings"):
        if old == "speech_timings" or "audio_duration_ms" not in _messages(live):
            actual = "there" if old in _messages(live) else "gone"
            yield Finding("column", f"messages.{old}", "gone", actual)


def _messages(live: Live) -> dict[str, Column]:
    return dict(live.tables["messages"].columns) if "messages" in live.tables else {}


def _described(column: Column | DocumentedColumn) -> str:
    default = f" DEFAULT {column.default}" if column.default else ""
    return f"{column.type}{default}{'' if column.is_nullable else ' NOT NULL'}"


def _keys(live: Live) -> Iterator[Finding]:
    current = live.tables[ANALYSIS].constraints if ANALYSIS in live.tables else {}
    by_definition = {key.definition: key for key in current.values()}
    for name, documented in CONSTRAINTS.items():
        found = current.get(name) or by_definition.get(documented.definition)
        if found is None:
            actual = MISSING
        elif found.definition == documented.definition and found.is_valid:
            actual = documented.declaration
        else:
            actual = "another" if found.is_valid else "not checked"
        yield Finding("key", name, documented.declaration, actual)


def _indexes(live: Live) -> Iterator[Finding]:
    for name, documented in INDEXES.items():
        found = live.indexes.get(name)
        if found is None:
            actual = MISSING
        elif not found.is_valid:
            actual = "INVALID"
        else:
            is_same = found.definition == documented.definition
            actual = documented.declaration if is_same else "another definition"
        yield Finding("index", name, documented.declaration, actual)


def _triggers(live: Live) -> Iterator[Finding]:
    enabled = live.triggers.get(TRIGGER)
    state = MISSING if enabled is None else "enabled" if enabled else "disabled"
    yield Finding("trigger", f"messages.{TRIGGER}", "enabled", state)
