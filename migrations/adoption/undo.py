"""Undo an adoption by the notes in `audio_ops.adoption_step`, latest first."""

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from migrations.adoption.conversions import is_text, reversion
from migrations.adoption.documented import ANALYSIS, AUDIO_COLUMNS, COLUMNS
from migrations.adoption.parked import column_name, park_columns
from migrations.adoption.preflight import Use
from migrations.adoption.shadow import drop_shadows, forget_texts
from migrations.adoption.step import Step
from stores.app_objects import TRIGGER

_TABLE = "(messages|message_audio_analysis)"
_NAME = rf"{_TABLE}\.([a-z_]+)"
_CAST = rf"cast {_NAME} from ([a-z0-9(), ]+)"
_ADDED = rf"added {_TABLE}: ([a-z_, ]+)"
# A text is restored only if its number has not changed since it was read; later writes win.
_PUT_BACK = """
UPDATE public.{table} AS t SET {column} = parked.value FROM audio_ops.parked_text AS parked
WHERE parked.message_id = t.{key} AND parked.column_name = '{name}'
    AND t.{column} IS NOT DISTINCT FROM CAST(parked.read_as AS text)
"""


def undoing(notes: Sequence[str], columns: Collection[str]) -> list[Step]:
    """Return the steps that undo the noted changes, latest first.

    Args:
        notes: In the order in which they were written.
        columns: The columns of `messages`.

    Raises:
        ValueError: If a note is unknown.
    """
    drop_trigger = Step(
        f"Drop the trigger {TRIGGER}",
        "messages against writes for a moment",
        (f"DROP TRIGGER IF EXISTS {TRIGGER} ON public.messages",),
    )
    added = [note for note in notes if note.startswith("added messages: ")]
    # Columns added by several upgrades are parked together, with the first of their notes.
    rest = [note for note in notes if note not in added[1:]]
    # Adjacent casts become one ALTER, hence one rewrite.
    groups = itertools.groupby(
        reversed(rest), lambda note: note.partition(".")[0] if _is_cast(note) else note
    )
    return [
        drop_trigger,
        *(
            _undo_added(added, columns) if group[0] in added else _undo(group)
            for group in (tuple(group) for _, group in groups)
        ),
    ]


def _undo_added(notes: Sequence[str], columns: Collection[str]) -> Step:
    listed = {name for note in notes for name in note.partition(": ")[2].split(", ")}
    if not listed <= set(AUDIO_COLUMNS):
        raise _unknown(notes[0])
    names = [name for name in AUDIO_COLUMNS if name in listed and name in columns]
    dropped = ", ".join(f"DROP COLUMN {name}" for name in names)
    statements = (*park_columns(names), f"ALTER TABLE public.messages {dropped}") if names else ()
    return Step(
        f"Undo: {'; '.join(notes)}",
        "messages against reads and writes while they are copied",
        statements,
        forgets=tuple(notes),
    )


def used(notes: Sequence[str]) -> Iterator[Use]:
    """Yield the columns whose type a rollback changes, or that it drops."""
    for note in notes:
        if match := re.fullmatch(_CAST, note):
            table, column, was = match.groups()
            yield Use(table, column, is_interpreted=is_text(was))
        elif match := re.fullmatch(_ADDED, note):
            table, listed = match.groups()
            yield from (Use(table, column, is_interpreted=False) for column in listed.split(", "))
        elif note == f"created {ANALYSIS}":
            yield from (Use(ANALYSIS, column, is_interpreted=False) for column in COLUMNS[ANALYSIS])


def _is_cast(note: str) -> bool:
    return note.startswith("cast ")


def _undo(notes: tuple[str, ...]) -> Step:
    table = ANALYSIS if ANALYSIS in notes[0] or notes[0] == "parked analyses" else "messages"
    is_index = notes[0].startswith("indexed ")
    return Step(
        f"Undo: {'; '.join(notes)}",
        "nothing" if is_index else f"{table} against reads and writes",
        tuple(_casts(notes) if _is_cast(notes[0]) else _statements(notes[0])),
        table,
        concurrently=is_index,
        forgets=notes,
    )


def _casts(notes: Sequence[str]) -> Iterator[str]:
    casts = [re.fullmatch(_CAST, note) for note in notes]
    found = [cast.groups() for cast in casts if cast is not None]
    if len(found) < len(notes):
        raise _unknown(notes[0])
    table = found[0][0]
    clauses = (
        f"ALTER COLUMN {column} TYPE {was} USING {reversion(column, was)}"
        for _, column, was in found
    )
    yield f"ALTER TABLE public.{table} {', '.join(clauses)}"
    key = "id" if table == "messages" else "message_id"
    for _, column, was in found:
        if is_text(was):
            name = column_name(table, column)
            yield _PUT_BACK.format(table=table, column=column, key=key, name=name)
            yield f"DELETE FROM audio_ops.parked_text WHERE column_name = '{name}'"  # noqa: S608 - ours


def _statements(note: str) -> Iterator[str]:
    for pattern, undo in _UNDOINGS.items():
        if match := re.fullmatch(pattern, note):
            return undo(*match.groups())
    raise _unknown(note)


def _unknown(note: str) -> ValueError:
    return ValueError(f"audio_ops.adoption_step contains an unknown note: {note!r}.")


def _renamed() -> Iterator[str]:
    yield "ALTER TABLE public.messages RENAME COLUMN audio_duration_ms TO audio_duration"


def _merged() -> Iterator[str]:
    yield """
        UPDATE public.messages AS m SET audio_duration_ms = NULL
        FROM audio_ops.parked_text AS parked
        WHERE parked.message_id = m.id AND parked.column_name = 'audio_duration'
            AND m.audio_duration_ms = parked.read_as
    """
    yield "DELETE FROM audio_ops.parked_text WHERE column_name = 'audio_duration'"


def _added(table: str, listed: str) -> Iterator[str]:
    dropped = ", ".join(f"DROP COLUMN IF EXISTS {column}" for column in listed.split(", "))
    yield f"ALTER TABLE public.{table} {dropped}"


def _default(table: str, column: str, was: str) -> Iterator[str]:
    change = "DROP DEFAULT" if was == "none" else f"SET DEFAULT {was}"
    yield f"ALTER TABLE public.{table} ALTER COLUMN {column} {change}"


def _required(table: str, column: str) -> Iterator[str]:
    yield f"ALTER TABLE public.{table} ALTER COLUMN {column} DROP NOT NULL"


def _allowed(table: str, column: str) -> Iterator[str]:
    yield f"ALTER TABLE public.{table} ALTER COLUMN {column} SET NOT NULL"


def _constrained(table: str, constraint: str) -> Iterator[str]:
    yield f"ALTER TABLE public.{table} DROP CONSTRAINT IF EXISTS {constraint}"


def _indexed(index: str) -> Iterator[str]:
    yield f"DROP INDEX CONCURRENTLY IF EXISTS public.{index}"


def _parked_analyses() -> Iterator[str]:
    # Drop our keys: the parked rows violate them.
    for key in (f"{ANALYSIS}_message_id_unique", f"{ANALYSIS}_message_id_messages_id_fk"):
        yield f"ALTER TABLE public.{ANALYSIS} DROP CONSTRAINT IF EXISTS {key}"
    yield f"""
        INSERT INTO public.{ANALYSIS}
        SELECT (jsonb_populate_record(CAST(NULL AS public.{ANALYSIS}), document)).*
        FROM audio_ops.parked_analysis ORDER BY id
    """  # noqa: S608 - ours
    yield "DELETE FROM audio_ops.parked_analysis"


def _created_analysis() -> Iterator[str]:
    yield f"DROP TABLE IF EXISTS public.{ANALYSIS}"


def _shadowed(column: str) -> Iterator[str]:
    yield from forget_texts([column])
    yield from drop_shadows()


def _dropped_speech_timings() -> Iterator[str]:
    yield "ALTER TABLE public.messages ADD COLUMN speech_timings jsonb"
    yield """
        UPDATE public.messages AS m SET speech_timings = parked.speech_timings
        FROM audio_ops.parked_speech_timings AS parked WHERE parked.message_id = m.id
    """
    yield "DROP TABLE audio_ops.parked_speech_timings"


_UNDOINGS: Mapping[str, Callable[..., Iterator[str]]] = {
    r"renamed messages\.audio_duration": _renamed,
    r"merged messages\.audio_duration": _merged,
    _ADDED: _added,
    rf"default {_NAME} was (.+)": _default,
    rf"required {_NAME}": _required,
    rf"allowed {_NAME}": _allowed,
    rf"constrained {_NAME}": _constrained,
    r"indexed ([a-z0-9_]+)": _indexed,
    "parked analyses": _parked_analyses,
    f"created {ANALYSIS}": _created_analysis,
    r"shadowed messages\.([a-z_]+)": _shadowed,
    r"dropped messages\.speech_timings": _dropped_speech_timings,
}
