"""What differs from the documented schema, thing by thing; pure."""

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
    """One documented thing, and what is there."""

    kind: str  # column, key, index or trigger
    name: str
    expected: str
    actual: str

    @property
    def is_as_documented(self) -> bool:
        """Whether nothing is to be done."""
        return self.expected == self.actual


def findings(live: Live) -> list[Finding]:
    """Return every documented column, key, index and trigger with what is there."""
    return [*_columns(live), *_keys(live), *_indexes(live), *_triggers(live)]


def _columns(live: Live) -> Iterator[Finding]:
    for table, columns in COLUMNS.items():
        has = live.tables[table].columns if table in live.tables else {}
        for name, documented in columns.items():
            there = has.get(name)
            expected = _described(documented)
            if there is not None and (table, name) in OF_EITHER_TYPE:
                expected = _described(there)
            actual = MISSING if there is None else _described(there)
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
    has = live.tables[ANALYSIS].constraints if ANALYSIS in live.tables else {}
    by_definition = {key.definition: key for key in has.values()}
    for name, documented in CONSTRAINTS.items():
        there = has.get(name) or by_definition.get(documented.definition)
        if there is None:
            actual = MISSING
        elif there.definition == documented.definition and there.is_valid:
            actual = documented.declaration
        else:
            actual = "another" if there.is_valid else "not checked"
        yield Finding("key", name, documented.declaration, actual)


def _indexes(live: Live) -> Iterator[Finding]:
    for name, documented in INDEXES.items():
        there = live.indexes.get(name)
        if there is None:
            actual = MISSING
        elif not there.is_valid:
            actual = "INVALID"
        else:
            is_same = there.definition == documented.definition
            actual = documented.declaration if is_same else "another definition"
        yield Finding("index", name, documented.declaration, actual)


def _triggers(live: Live) -> Iterator[Finding]:
    enabled = live.triggers.get(TRIGGER)
    state = MISSING if enabled is None else "enabled" if enabled else "disabled"
    yield Finding("trigger", f"messages.{TRIGGER}", "enabled", state)
