"""Convert, once, what an earlier version of this project left in databases.

It changed the app's tables in Alembic's versions 0001, 0002 and 0004, recorded its steps in
`audio_ops.audio_columns_step`, and misread some texts: `5.2` as 5 ms, `0.85` as 1.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from migrations.adoption.conversions import reading

_EXISTS = sa.text("SELECT to_regclass(:name) IS NOT NULL")
_STEPS = "audio_ops.audio_columns_step"
# Its versions and today's equivalents; None is before the first.
VERSIONS = {"0001": None, "0002": None, "0004": "0003"}
_MISREAD = (
    r"CASE WHEN p.value ~ '^\s*[+-]?[0-9]{1,9}([.][0-9]+)?\s*$'"
    " THEN CAST(round(CAST(p.value AS numeric)) AS integer) END"
)


def statements(connection: sa.Connection) -> Iterator[str]:
    """Yield statements that convert it; none if there is nothing to convert."""
    if connection.scalar(_EXISTS, {"name": "audio_ops.alembic_version"}):
        yield "UPDATE audio_ops.alembic_version SET version_num = '0003' WHERE version_num = '0004'"
        yield "DELETE FROM audio_ops.alembic_version WHERE version_num IN ('0001', '0002')"
    if not connection.scalar(_EXISTS, {"name": _STEPS}):
        return
    yield f"""
        INSERT INTO audio_ops.adoption_step (step)
        SELECT known FROM (SELECT step, CASE
            WHEN step = 'renamed' THEN 'renamed messages.audio_duration'
            WHEN step = 'dropped speech_timings' THEN 'dropped messages.speech_timings'
            WHEN step ~ '^added [a-z_]+$' THEN 'added messages: ' || substr(step, 7)
            WHEN step ~ '^cast [a-z_]+$' THEN 'cast messages.' || substr(step, 6) || ' from text'
            WHEN step ~ '^indexed [a-z0-9_]+$' OR step = 'created message_audio_analysis' THEN step
        END AS known FROM {_STEPS}) AS noted
        WHERE known IS NOT NULL ORDER BY CASE
            WHEN step = 'renamed' THEN 1 WHEN step LIKE 'added %' THEN 2
            WHEN step LIKE 'cast %' THEN 3 ELSE 4
        END
        ON CONFLICT DO NOTHING
    """  # noqa: S608 - ours
    yield "ALTER TABLE audio_ops.parked_text ADD COLUMN IF NOT EXISTS read_as integer"
    for column in ("audio_duration_ms", "pronunciation_score"):
        read = reading(column, "p.value")
        yield f"""
            UPDATE public.messages AS m SET {column} = {read} FROM audio_ops.parked_text AS p
            WHERE p.message_id = m.id AND p.column_name = '{column}'
                AND m.{column} IS NOT DISTINCT FROM {_MISREAD}
                AND m.{column} IS DISTINCT FROM {read}
        """  # noqa: S608 - ours
        yield f"""
            UPDATE audio_ops.parked_text AS p SET read_as = {read}
            WHERE p.column_name = '{column}'
        """  # noqa: S608 - ours
    yield f"DROP TABLE {_STEPS}"
