"""How the values of a column of another type become those of the documented one, and back."""

import re

from migrations.adoption.texts import Kind, duration_ms, score, whole_number

_TEXT = re.compile(r"text|character varying(\(\d+\))?|character(\(\d+\))?")
_NUMBER = re.compile(r"smallint|integer|bigint|real|double precision|numeric(\(\d+,\d+\))?")
_INSTANT = re.compile(r"timestamp(\(\d\))? without time zone|date")
_ZONED = re.compile(r"timestamp(\(\d\))? with time zone")
_READERS = {
    Kind.DURATION_MS: duration_ms,
    Kind.SCORE: score,
    Kind.WHOLE_NUMBER: whole_number,
}


def is_text(type_: str) -> bool:
    """Return whether values of this type must be interpreted to be numbers."""
    return _TEXT.fullmatch(type_) is not None


def is_number(type_: str) -> bool:
    """Return whether values of this type are numbers, though perhaps too large."""
    return _NUMBER.fullmatch(type_) is not None


def kind(column: str) -> Kind:
    """Return what the texts of a column mean, which its name tells."""
    if column == "audio_duration" or column.endswith("_ms"):
        return Kind.DURATION_MS
    return Kind.SCORE if column.endswith("_score") else Kind.WHOLE_NUMBER


def reading(column: str, text: str | None = None) -> str:
    """Return SQL that reads text as the whole number that `column` is to hold, or NULL.

    Args:
        column: Its name.
        text: SQL of the text; None: the column itself.
    """
    return _READERS[kind(column)](text or f"CAST({column} AS text)")


def conversion(column: str, live: str, documented: str) -> str | None:
    """Return SQL that turns a column's values into the documented type.

    Args:
        column: Its name.
        live: Its type now.
        documented: The type that it is to have.

    Returns:
        None if nobody can say what the values would be.
    """
    if documented == "integer" and is_text(live):
        return reading(column)
    if documented == "integer" and is_number(live):
        return f"CAST(round({column}) AS integer)"
    if documented == "timestamp without time zone":
        if _ZONED.fullmatch(live):
            return f"{column} AT TIME ZONE 'UTC'"
        return f"CAST({column} AS timestamp)" if _INSTANT.fullmatch(live) else None
    if documented == "jsonb" and live == "json":
        return f"CAST({column} AS jsonb)"
    is_printable = is_text(live) or is_number(live) or live == "uuid"
    return f"CAST({column} AS text)" if documented == "text" and is_printable else None


def reversion(column: str, was: str) -> str:
    """Return SQL that turns a converted column's values back into what they were.

    Raises:
        ValueError: If `was` is no type that `conversion` takes.
    """
    if _ZONED.fullmatch(was):
        return f"{column} AT TIME ZONE 'UTC'"
    for known in (_TEXT, _NUMBER, _INSTANT):
        if known.fullmatch(was):
            return f"CAST({column} AS {was})"
    if was in {"json", "uuid"}:
        return f"CAST({column} AS {was})"
    message = f"{was!r} is no type that was converted."
    raise ValueError(message)
