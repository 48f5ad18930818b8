"""SQL that parks values without a place in the documented schema in `audio_ops`, byte for byte.

Parked copies of a message's data reference it with ON DELETE CASCADE, so that a message deleted by
the app neither survives here nor comes back.
"""

from collections.abc import Sequence

from migrations.adoption.conversions import reading
from migrations.adoption.documented import ANALYSIS, COLUMNS
from migrations.adoption.texts import is_kept

# `value` is the original text and `read_as` the number that replaced it, if any. A text that equals
# its number is not kept.
CREATE_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS audio_ops.adoption_step (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        step text NOT NULL UNIQUE,
        done_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS audio_ops.parked_text (
        message_id text NOT NULL REFERENCES public.messages (id) ON DELETE CASCADE,
        column_name text NOT NULL,
        value text NOT NULL,
        read_as integer,
        PRIMARY KEY (message_id, column_name)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS audio_ops.parked_analysis (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_id text REFERENCES public.messages (id) ON DELETE CASCADE,
        document jsonb NOT NULL
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS parked_analysis_message_id_idx
        ON audio_ops.parked_analysis (message_id)
    """,
)
# A rollback restores this data as the tables' owner, so other roles must not write it, even if
# default privileges give the flows' role access to new tables.
PROTECT_TABLES = """
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT DISTINCT c.relname AS table, CAST(CAST(r.grantee AS regrole) AS text) AS role
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS r
        WHERE c.relnamespace = CAST('audio_ops' AS regnamespace)
            AND (c.relname = 'adoption_step' OR starts_with(c.relname, 'parked_'))
            AND c.relkind = 'r' AND r.grantee <> c.relowner AND r.grantee <> 0
    LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, TRUNCATE, TRIGGER ON audio_ops.%I FROM %s',
            granted.table, granted.role);
        IF granted.table = 'adoption_step' THEN
            EXECUTE format('REVOKE DELETE ON audio_ops.adoption_step FROM %s', granted.role);
        END IF;
    END LOOP;
END
$$
"""
_KEEP = """
INSERT INTO audio_ops.parked_text (message_id, column_name, value, read_as)
{rows}
ON CONFLICT (message_id, column_name) DO UPDATE
SET value = excluded.value, read_as = excluded.read_as
"""


def column_name(table: str, column: str) -> str:
    """Return the name of a column in `parked_text`."""
    return column if table == "messages" else f"{table}.{column}"


def keep_texts(table: str, columns: Sequence[str], source: str | None = None) -> str:
    """Return a statement that parks texts that differ from the number that they are read as.

    Args:
        table: The table with the texts.
        columns: The columns with the texts.
        source: SQL of the rows to read; None for the whole table.
    """
    message_id = "id" if table == "messages" else "CAST(message_id AS text)"
    texts = ", ".join(
        f"('{column_name(table, column)}', CAST({column} AS text), {reading(column)})"
        for column in columns
    )
    some = " OR ".join(f"{column} IS NOT NULL" for column in columns)
    rows = f"""
SELECT {message_id}, seen.column_name, seen.raw, seen.number
FROM {source or f"public.{table}"}
CROSS JOIN LATERAL (VALUES {texts}) AS seen (column_name, raw, number)
WHERE ({some}) AND {is_kept("seen.raw", "seen.number")}"""  # noqa: S608 - ours
    return _KEEP.format(rows=rows)


def merge_old_duration() -> tuple[str, ...]:
    """Return statements that fill missing durations from the column with the old name."""
    old = reading("audio_duration_ms", "CAST(audio_duration AS text)")
    unmerged = f"audio_duration_ms IS NULL AND {old} IS NOT NULL"
    rows = f"""
SELECT id, 'audio_duration', audio_duration, {old} FROM public.messages WHERE {unmerged}"""  # noqa: S608 - ours
    return (
        _KEEP.format(rows=rows),
        f"UPDATE public.messages SET audio_duration_ms = {old} WHERE {unmerged}",  # noqa: S608 - ours
    )


PARKED_COLUMNS = "audio_ops.parked_columns"


def park_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return statements that copy columns of `messages` before they are dropped."""
    return (
        "LOCK TABLE public.messages IN ACCESS EXCLUSIVE MODE",  # no writes between copy and drop
        f"DROP TABLE IF EXISTS {PARKED_COLUMNS}",
        f"CREATE TABLE {PARKED_COLUMNS} AS SELECT id, {', '.join(columns)} FROM public.messages",  # noqa: S608 - ours
        f"ALTER TABLE {PARKED_COLUMNS} ADD PRIMARY KEY (id),"
        " ADD FOREIGN KEY (id) REFERENCES public.messages (id) ON DELETE CASCADE",
        PROTECT_TABLES,
    )


def bring_back_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return statements that restore columns from their parked copies, and drop the copies.

    Only values that are still the default are restored; later writes win.
    """
    fresh = {name: COLUMNS["messages"][name].default or "NULL" for name in columns}
    differing = " OR ".join(
        f"m.{name} IS NOT DISTINCT FROM {default} AND p.{name} IS DISTINCT FROM {default}"
        for name, default in fresh.items()
    )
    values = ", ".join(
        f"{name} = CASE WHEN m.{name} IS NOT DISTINCT FROM {default} THEN p.{name}"
        f" ELSE m.{name} END"
        for name, default in fresh.items()
    )
    return (
        f"UPDATE public.messages AS m SET {values} FROM {PARKED_COLUMNS} AS p"  # noqa: S608 - ours
        f" WHERE p.id = m.id AND ({differing})",
        f"DROP TABLE {PARKED_COLUMNS}",
    )


def park_speech_timings() -> tuple[str, ...]:
    """Return statements that park and drop `messages.speech_timings`."""
    return (
        "LOCK TABLE public.messages IN ACCESS EXCLUSIVE MODE",
        """
        CREATE TABLE IF NOT EXISTS audio_ops.parked_speech_timings (
            message_id text PRIMARY KEY REFERENCES public.messages (id) ON DELETE CASCADE,
            speech_timings jsonb
        )
        """,
        """
        INSERT INTO audio_ops.parked_speech_timings
        SELECT id, speech_timings FROM public.messages WHERE speech_timings IS NOT NULL
        ON CONFLICT (message_id) DO UPDATE SET speech_timings = excluded.speech_timings
        """,
        "ALTER TABLE public.messages DROP COLUMN speech_timings",
        PROTECT_TABLES,
    )


def park_analyses() -> tuple[str, ...]:
    """Return statements that park analyses which violate keys: orphans and older duplicates."""
    return (
        f"LOCK TABLE public.{ANALYSIS} IN SHARE ROW EXCLUSIVE MODE",
        f"""
        WITH ranked AS (
            SELECT a.ctid, a.message_id, m.id AS known, row_number() OVER (
                PARTITION BY a.message_id ORDER BY a.analyzed_at DESC NULLS LAST, a.ctid DESC
            ) AS place
            FROM public.{ANALYSIS} AS a LEFT JOIN public.messages AS m
                ON m.id = CAST(a.message_id AS text)
        ), moved AS (
            DELETE FROM public.{ANALYSIS} AS a USING ranked AS r
            WHERE a.ctid = r.ctid AND (r.known IS NULL OR r.place > 1)
            RETURNING r.known, to_jsonb(a) AS document
        )
        INSERT INTO audio_ops.parked_analysis (message_id, document)
        SELECT known, document FROM moved
        """,  # noqa: S608 - ours
    )
