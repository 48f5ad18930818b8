"""SQL that reads values of the app's columns, however odd.

Postgres' timestamps may be infinite, before year 1 or after 9999, which Python cannot represent. A
column that the app has widened may hold numbers that fit no integer, NaN and infinity. The rules
`readable_times` and `audio_size_range` of data quality name such messages.
"""

LARGEST_OBJECT_BYTES = 5 * 1024**4  # S3's limit
LONGEST_RECORDING_MS = 2**31 - 1


def is_readable(column: str) -> str:
    """Return whether Python can represent a timestamp."""
    return f"({column} >= '0001-01-01' AND {column} < '10000-01-01')"


def size_bytes(column: str) -> str:
    """Return a size as bigint; NULL if no object can have it."""
    return f"CAST({possible(column, LARGEST_OBJECT_BYTES)} AS bigint)"


def duration_ms(column: str) -> str:
    """Return a duration as bigint; NULL if no recording can have it."""
    return f"CAST({possible(column, LONGEST_RECORDING_MS)} AS bigint)"


def possible(column: str, most: int) -> str:
    """Return a number in the column's own type, whose sum is fastest; NULL outside `[0, most]`."""
    # NaN sorts after all numbers.
    return f"CASE WHEN {column} BETWEEN 0 AND {most} THEN {column} END"
