"""Survey the rows: texts to interpret, analyses that violate keys, values out of range."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from migrations.adoption.conversions import is_number, is_text, kind, reading
from migrations.adoption.documented import ANALYSIS, AUDIO_COLUMNS, COLUMNS
from migrations.adoption.live import Live
from migrations.adoption.texts import is_kept, shape

_DUPLICATES = sa.text(f"""
SELECT count(*) FROM (
    SELECT FROM public.{ANALYSIS} WHERE message_id IS NOT NULL
    GROUP BY message_id HAVING count(*) > 1
) AS several
""")  # noqa: S608 - ours
_ORPHANS = sa.text(f"""
SELECT count(*) FROM public.{ANALYSIS} AS a
WHERE NOT EXISTS (SELECT FROM public.messages AS m WHERE m.id = CAST(a.message_id AS text))
""")  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class TextCount:
    """Count of texts of one shape in one column."""

    table: str
    column: str
    shape: str
    count: int
    read: int  # become a number; the others become NULL
    kept: int  # are kept in `audio_ops.parked_text`


@dataclass(frozen=True, slots=True)
class Survey:
    """Findings in the rows."""

    texts: tuple[TextCount, ...] = ()
    unmerged: int = 0  # messages whose only duration is in `audio_duration`
    duplicates: int = 0  # messages with several analyses
    orphans: int = 0  # analyses without a message
    speech_timings: int = 0  # messages with the old estimates
    too_large: tuple[str, ...] = ()  # columns with numbers out of the range of integer


def text_columns(live: Live, table: str) -> list[str]:
    """Return the text columns that must become integers."""
    current = live.tables[table].columns if table in live.tables else {}
    names = AUDIO_COLUMNS if table == "messages" else tuple(COLUMNS[table])
    return [
        name
        for name in names
        if COLUMNS[table][name].type == "integer"
        and name in current
        and is_text(current[name].type)
    ]


def take(connection: sa.Connection, live: Live) -> Survey:
    """Survey the rows of `messages` and `message_audio_analysis`."""
    if "messages" not in live.tables:
        return Survey()
    messages = live.tables["messages"].columns
    texts = list(_texts(connection, "messages", text_columns(live, "messages")))
    unmerged = 0
    if "audio_duration" in messages:
        is_merged = "audio_duration_ms" in messages  # otherwise it is renamed
        unmerged = _unmerged(connection, live) if is_merged else 0
        if unmerged or not is_merged:
            texts += _texts(connection, "messages", ["audio_duration"])
    if "speech_timings" in messages:
        timings = connection.scalar(sa.text("SELECT count(speech_timings) FROM public.messages"))
    else:
        timings = 0
    duplicates = orphans = 0
    if "message_id" in (live.tables[ANALYSIS].columns if ANALYSIS in live.tables else {}):
        duplicates = connection.scalar(_DUPLICATES) or 0
        orphans = connection.scalar(_ORPHANS) or 0
        texts += _texts(connection, ANALYSIS, text_columns(live, ANALYSIS))
    return Survey(
        texts=tuple(texts),
        unmerged=unmerged,
        duplicates=duplicates,
        orphans=orphans,
        speech_timings=timings or 0,
        too_large=tuple(_too_large(connection, live)),
    )


def old_duration() -> str:
    """Return SQL that parses `audio_duration`, the name before the app's migration 0023."""
    return reading("audio_duration_ms", "CAST(audio_duration AS text)")


def _texts(connection: sa.Connection, table: str, columns: Sequence[str]) -> list[TextCount]:
    counts = []
    for column in columns:
        raw = f"CAST({column} AS text)"
        value = old_duration() if column == "audio_duration" else reading(column)
        looks = shape(raw, kind(column))
        rows = connection.execute(
            sa.text(f"""
                SELECT shape, count(*), count(value),
                    count(*) FILTER (WHERE {is_kept("raw", "value")})
                FROM (
                    SELECT {raw} AS raw, {value} AS value, {looks} AS shape
                    FROM public.{table} WHERE {column} IS NOT NULL
                ) AS seen GROUP BY shape ORDER BY shape
            """)  # noqa: S608 - names of documented columns
        )
        counts += [TextCount(table, column, *row) for row in rows]
    return counts


def _unmerged(connection: sa.Connection, live: Live) -> int:
    is_read = "audio_duration_ms" in text_columns(live, "messages")
    now = reading("audio_duration_ms") if is_read else "audio_duration_ms"
    return int(
        connection.scalar(
            sa.text(f"""
                SELECT count(*) FROM public.messages
                WHERE {now} IS NULL AND {old_duration()} IS NOT NULL
            """)  # noqa: S608 - ours
        )
        or 0
    )


def _too_large(connection: sa.Connection, live: Live) -> list[str]:
    found = []
    for table in ("messages", ANALYSIS):
        current = live.tables[table].columns if table in live.tables else {}
        for name, documented in COLUMNS[table].items():
            is_wider = name in current and current[name].type not in {"integer", "smallint"}
            if documented.type == "integer" and is_wider and is_number(current[name].type):
                query = f"""
                    SELECT EXISTS (SELECT FROM public.{table}
                        WHERE NOT round({name}) BETWEEN -2147483648 AND 2147483647)"""  # noqa: S608 - ours
                if connection.scalar(sa.text(query)):  # NaN is not between either
                    found.append(f"{table}.{name}")
    return found
