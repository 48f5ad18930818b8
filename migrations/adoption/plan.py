"""Plan the steps that bring the app's tables to the documented schema; pure.

A step states what it locks, and records in `audio_ops.adoption_step` what a rollback must know.
Steps are planned from the current schema only, so an interrupted upgrade resumes where it stopped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrations.adoption import attachments, shadow
from migrations.adoption.conversions import conversion, is_text
from migrations.adoption.documented import (
    ANALYSIS,
    AUDIO_COLUMNS,
    COLUMNS,
    CONSTRAINTS,
    DocumentedColumn,
)
from migrations.adoption.live import Column, Live
from migrations.adoption.parked import (
    bring_back_columns,
    keep_texts,
    merge_old_duration,
    park_analyses,
    park_speech_timings,
)
from migrations.adoption.step import A_MOMENT, LONGEST_LOCK_SECONDS, Step, exclusive
from migrations.adoption.survey import Survey
from schema.wording import counted

# Size of the table with its indexes, on two busy cores; measured by benchmarks/upgrade.py.
RETYPED_BYTES_PER_SECOND = 35_000_000


def steps(
    live: Live, survey: Survey, *, longest_lock_seconds: float = LONGEST_LOCK_SECONDS
) -> list[Step]:
    """Return the steps in order; none if everything is as documented."""
    return [
        *_messages(live, survey, longest_lock_seconds),
        *_analysis(live, survey),
        *attachments.keys(live),
        *attachments.indexes(live),
        *attachments.trigger(live),
    ]


def _messages(live: Live, survey: Survey, longest_lock_seconds: float) -> Iterator[Step]:
    columns = dict(live.tables["messages"].columns)
    if "audio_duration" in columns and "audio_duration_ms" not in columns:
        columns["audio_duration_ms"] = columns.pop("audio_duration")
        yield Step(
            "Rename messages.audio_duration to audio_duration_ms",
            exclusive("messages"),
            ("ALTER TABLE public.messages RENAME COLUMN audio_duration TO audio_duration_ms",),
            notes=("renamed messages.audio_duration",),
        )
    yield from _add("messages", columns, AUDIO_COLUMNS)
    by_shadow = _by_shadow(live, columns, longest_lock_seconds)
    if by_shadow or shadow.is_begun(live):
        yield from shadow.steps(live, columns, by_shadow)
        columns |= {name: Column("integer", None, None, is_nullable=True) for name in by_shadow}
    yield from _change(live, "messages", columns, AUDIO_COLUMNS)
    if parked := sorted(live.parked_columns.intersection(AUDIO_COLUMNS)):
        yield Step(
            f"Restore what a rollback parked of messages: {', '.join(parked)}",
            "those rows of messages against other writers",
            bring_back_columns(parked),
        )
    if survey.unmerged:
        yield Step(
            "Fill messages.audio_duration_ms from audio_duration in "
            f"{counted(survey.unmerged, 'row')};"
            " audio_duration keeps its texts",
            "those rows of messages against other writers",
            merge_old_duration(),
            notes=("merged messages.audio_duration",),
        )
    if "speech_timings" in columns:
        yield Step(
            f"Park messages.speech_timings ({counted(survey.speech_timings, 'row')}) in"
            " audio_ops.parked_speech_timings and drop the column",
            exclusive("messages", "while they are copied"),
            park_speech_timings(),
            notes=("dropped messages.speech_timings",),
        )


def _by_shadow(live: Live, columns: Mapping[str, Column], longest_lock_seconds: float) -> list[str]:
    """Return the columns of `messages` to convert by shadow columns instead of in place."""
    names = shadow.shadowable(live, columns)
    if shadow.is_begun(live):
        return names
    # If other columns require a rewrite, include these: excluding them would not shorten the lock.
    is_rewritten = any(
        columns[name].type != COLUMNS["messages"][name].type
        for name in AUDIO_COLUMNS
        if name in columns and name not in names
    )
    is_short = _rewriting_seconds(live, "messages") <= longest_lock_seconds
    return [] if is_rewritten or is_short else names


def _analysis(live: Live, survey: Survey) -> Iterator[Step]:
    if ANALYSIS not in live.tables:
        declarations = [
            *(column.declaration for column in COLUMNS[ANALYSIS].values()),
            *(f"CONSTRAINT {name} {key.declaration}" for name, key in CONSTRAINTS.items()),
        ]
        yield Step(
            f"Create {ANALYSIS}",
            f"messages against writes {A_MOMENT}",
            (
                f"CREATE TABLE public.{ANALYSIS} ({', '.join(declarations)})",
                # The app must be able to use it, whichever role migrates.
                f"ALTER TABLE public.{ANALYSIS} OWNER TO {live.tables['messages'].owner}",
            ),
            notes=(f"created {ANALYSIS}",),
        )
        return
    columns = dict(live.tables[ANALYSIS].columns)
    yield from _add(ANALYSIS, columns, tuple(COLUMNS[ANALYSIS]))
    if survey.duplicates or survey.orphans:
        yield Step(
            f"Park {counted(survey.orphans, 'analysis', 'analyses')} without a message, and all "
            "but the newest of"
            f" {counted(survey.duplicates, 'message')}, in audio_ops.parked_analysis",
            f"{ANALYSIS} against other writers while they are moved",
            park_analyses(),
            table=ANALYSIS,
            notes=("parked analyses",),
        )
    yield from _change(live, ANALYSIS, columns, tuple(COLUMNS[ANALYSIS]))


def _add(table: str, columns: Mapping[str, Column], wanted: tuple[str, ...]) -> Iterator[Step]:
    missing = [name for name in wanted if name not in columns]
    if missing:
        added = ", ".join(f"ADD COLUMN {COLUMNS[table][name].declaration}" for name in missing)
        yield Step(
            f"Add to {table}: {', '.join(missing)}",
            exclusive(table),
            (f"ALTER TABLE public.{table} {added}",),
            table=table,
            notes=(f"added {table}: {', '.join(missing)}",),
        )


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of one column, as part of an ALTER TABLE."""

    description: str
    clauses: tuple[str, ...]
    note: str
    retypes: bool = False


def _change(
    live: Live, table: str, columns: Mapping[str, Column], wanted: tuple[str, ...]
) -> Iterator[Step]:
    """Change types, defaults and nullability of a table in one ALTER, hence one rewrite."""
    existing = [name for name in wanted if name in columns]
    changes = [change for name in existing for change in _column(table, name, columns[name])]
    if not changes:
        return
    texts = [
        name
        for name in existing
        if COLUMNS[table][name].type == "integer" and is_text(columns[name].type)
    ]
    # No text may be written between reading and retyping. And locking the table after writing rows
    # could deadlock with the app.
    lock = f"LOCK TABLE public.{table} IN ACCESS EXCLUSIVE MODE"
    parked = [keep_texts(table, texts)] if texts else []
    filled = [
        f"UPDATE public.{table} SET {name} = {default} WHERE {name} IS NULL"  # noqa: S608 - ours
        for name in existing
        if columns[name].is_nullable
        and not COLUMNS[table][name].is_nullable
        and (default := COLUMNS[table][name].default)
    ]
    alter = ", ".join(clause for change in changes for clause in change.clauses)
    rewrites = any(change.retypes for change in changes)
    yield Step(
        f"Change {table}: {'; '.join(change.description for change in changes)}",
        exclusive(table, _rewriting(live, table) if rewrites else A_MOMENT),
        (
            *([lock] if parked or filled else []),
            *parked,
            *filled,
            f"ALTER TABLE public.{table} {alter}",
        ),
        table=table,
        notes=tuple(change.note for change in changes),
    )


def _column(table: str, name: str, current: Column) -> Iterator[_Change]:
    documented = COLUMNS[table][name]
    # Noted before the type, so that a rollback restores the type first, then the default.
    if current.default != documented.default:
        yield _Change(
            f"default of {name}: {documented.default or 'none'}",
            (_default(name, documented.default),),
            f"default {table}.{name} was {current.expression or 'none'}",
        )
    if current.type != documented.type:
        yield _Change(
            f"{name} {current.type} → {documented.type}",
            tuple(_retype(name, current, documented)),
            f"cast {table}.{name} from {current.type}",
            retypes=True,
        )
    if current.is_nullable and not documented.is_nullable:
        yield _Change(
            f"{name} is required",
            (f"ALTER COLUMN {name} SET NOT NULL",),
            f"required {table}.{name}",
        )
    if documented.is_nullable and not current.is_nullable:
        yield _Change(
            f"{name} may be empty",
            (f"ALTER COLUMN {name} DROP NOT NULL",),
            f"allowed {table}.{name}",
        )


def _retype(name: str, current: Column, documented: DocumentedColumn) -> Iterator[str]:
    using = conversion(name, current.type, documented.type)
    if using is None:
        raise AssertionError  # `preflight` reports it as an obstacle
    # Postgres may be unable to cast the default: drop it and set it again.
    if current.default:
        yield f"ALTER COLUMN {name} DROP DEFAULT"
    yield f"ALTER COLUMN {name} TYPE {documented.type} USING {using}"
    if current.default and current.default == documented.default:
        yield _default(name, documented.default)


def _default(name: str, default: str | None) -> str:
    return f"ALTER COLUMN {name} " + (f"SET DEFAULT {default}" if default else "DROP DEFAULT")


def _rewriting_seconds(live: Live, table: str) -> float:
    return live.tables[table].size_bytes / RETYPED_BYTES_PER_SECOND


def _rewriting(live: Live, table: str) -> str:
    seconds = max(1, round(_rewriting_seconds(live, table)))
    rows = counted(live.tables[table].rows, "row is", "rows are")
    return f"while its {rows} rewritten, about {seconds:,} s"
