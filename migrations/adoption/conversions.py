"""SQL that converts a column's values to the documented type, and back."""

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
    """Return whether this is a text type, whose values must be parsed as numbers."""
    return _TEXT.fullmatch(type_) is not None


def is_number(type_: str) -> bool:
    """Return whether this is a numeric type, whose values may exceed integer."""
    return _NUMBER.fullmatch(type_) is not None


def kind(column: str) -> Kind:
    """Return how to interpret the texts of a column, by its name."""
    if column == "audio_duration" or column.endswith("_ms"):
        return Kind.DURATION_MS
    return Kind.SCORE if column.endswith("_score") else Kind.WHOLE_NUMBER


def reading(column: str, text: str | None = None) -> str:
    """Return SQL that parses a text as an integer for `column`, or NULL.

    Args:
        column: Name of the column.
        text: SQL of the text; None for the column itself.
    """
    return _READERS[kind(column)](text or f"CAST({column} AS text)")


def conversion(column: str, live: str, documented: str) -> str | None:
    """Return SQL that converts a column's values to the documented type.

    Args:
        column: Name of the column.
        live: Its current type.
        documented: Its documented type.

    Returns:
        None if there is no well-defined conversion.
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
    """Return SQL that converts a column's values back to the type `was`.

    Raises:
        ValueError: If `conversion` does not convert that type.
    """
    if _ZONED.fullmatch(was):
        return f"{column} AT TIME ZONE 'UTC'"
    for known in (_TEXT, _NUMBER, _INSTANT):
        if known.fullmatch(was):
            return f"CAST({column} AS {was})"
    if was in {"json", "uuid"}:
        return f"CAST({column} AS {was})"
    message = f"Cannot convert {column} back to {was!r}: no upgrade converts that type."
    raise ValueError(message)
