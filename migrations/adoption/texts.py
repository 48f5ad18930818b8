r"""SQL that parses numbers which the app stored as text.

Each function takes an SQL expression for the raw text, such as `m.audio_duration_ms`, and returns
an immutable SQL expression that needs no database objects and raises no error for any text. Texts
are compared in collation "C", so that digits, white space and letters are ASCII in every database.

Surrounding white space and case are ignored. Ambiguous texts become NULL: `5.2` as a duration
(seconds or milliseconds?), `1,234 s` (thousands or thousandths?), `5.2` as a score (out of ten or
a hundred?).

The SQL may contain `%` and `\`, but nothing that `sqlalchemy.text` takes for a parameter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

# Longer texts are no numbers. This bounds the work of regular expressions and the digits of a
# number; the length of a large value is known without reading it.
LONGEST_BYTES = 100


class Kind(StrEnum):
    """How a text is interpreted."""

    DURATION_MS = "duration in ms"  # 0 to 2147483647
    SCORE = "score"  # 0 to 100
    WHOLE_NUMBER = "whole number"  # any Postgres integer


class Shape(StrEnum):
    """Notation of a text. Texts of one shape all become numbers, or all become NULL."""

    WHOLE_NUMBER = "whole number"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    CLOCK = "clock"
    PERCENT = "percent"
    OF_A_HUNDRED = "of a hundred"
    OF_TEN = "of ten"
    FRACTION = "fraction"
    DECIMAL = "decimal"
    DECIMAL_WITHOUT_UNIT = "decimal without unit"
    SMALL_DECIMAL = "decimal of ten or of a hundred"
    AMBIGUOUS_COMMA = "comma before three digits"
    OUT_OF_RANGE = "out of range"
    EMPTY = "empty"
    OTHER = "other"

    @property
    def becomes_a_number(self) -> bool:
        """Whether texts of this shape become numbers instead of NULL."""
        return self not in _UNREADABLE


_UNREADABLE = frozenset(
    {
        Shape.DECIMAL_WITHOUT_UNIT,
        Shape.SMALL_DECIMAL,
        Shape.AMBIGUOUS_COMMA,
        Shape.OUT_OF_RANGE,
        Shape.EMPTY,
        Shape.OTHER,
    }
)


def _first(text: str) -> str:
    """Return SQL for the first number in a text that contains one."""
    return f"CAST(replace(substring({text} FROM '[-+]?[0-9.,]+'), ',', '.') AS numeric)"


def _part(text: str, position: int) -> str:
    """Return SQL for a number between colons."""
    return f"CAST(split_part(replace({text}, ',', '.'), ':', {position}) AS numeric)"


@dataclass(frozen=True)
class _Spelling:
    """Texts of one shape: a regular expression for the whole text, and SQL for its value."""

    shape: Shape
    pattern: str
    value: Callable[[str], str] | None = _first  # None: ambiguous


@dataclass(frozen=True)
class _Reading:
    """How to read one kind: by the first spelling that matches, if its value is in range."""

    lowest: int
    highest: int  # before rounding
    plain_digits: int  # all numbers with so many digits are in range
    spellings: tuple[_Spelling, ...]


# A comma before three digits may be a thousands separator.
_DECIMALS = "([.][0-9]+|,[0-9]{1,2}|,[0-9]{4,})"
_NUMBER = f"[-+]?([0-9]+|[0-9]*{_DECIMALS})"
_COMMA = "[-+]?[0-9]*,[0-9]{3}"
_MS = "(ms|msecs?|millis|milliseconds?)"
_SECONDS = "(s|secs?|seconds?)"
_SIXTY = "[0-5][0-9]"
_CLOCK_SECONDS = f"{_SIXTY}([.,][0-9]+)?"  # never a thousands separator
_OF_TEN, _OF_A_HUNDRED, _PERCENT = r"/\s*10", r"/\s*100", "%"
_WHOLE = _Spelling(Shape.WHOLE_NUMBER, "[-+]?[0-9]+")

_READINGS = {
    Kind.DURATION_MS: _Reading(
        lowest=0,
        highest=2**31 - 1,
        plain_digits=9,
        spellings=(
            _WHOLE,
            _Spelling(
                Shape.SECONDS, rf"{_NUMBER}\s*{_SECONDS}", lambda text: f"1000 * {_first(text)}"
            ),
            _Spelling(Shape.MILLISECONDS, rf"{_NUMBER}\s*{_MS}"),
            _Spelling(
                Shape.CLOCK,
                f"[0-9]+:{_CLOCK_SECONDS}",
                lambda text: f"60000 * {_part(text, 1)} + 1000 * {_part(text, 2)}",
            ),
            _Spelling(
                Shape.CLOCK,
                f"[0-9]+:{_SIXTY}:{_CLOCK_SECONDS}",
                lambda text: (
                    f"3600000 * {_part(text, 1)} + 60000 * {_part(text, 2)}"
                    f" + 1000 * {_part(text, 3)}"
                ),
            ),
            _Spelling(Shape.DECIMAL_WITHOUT_UNIT, "[-+]?[0-9]*[.,][0-9]+", None),
            _Spelling(Shape.AMBIGUOUS_COMMA, rf"{_COMMA}\s*({_MS}|{_SECONDS})", None),
        ),
    ),
    Kind.SCORE: _Reading(
        lowest=0,
        highest=100,
        plain_digits=2,
        spellings=(
            _WHOLE,
            _Spelling(Shape.PERCENT, rf"{_NUMBER}\s*{_PERCENT}"),
            _Spelling(Shape.OF_A_HUNDRED, rf"{_NUMBER}\s*{_OF_A_HUNDRED}"),
            _Spelling(Shape.OF_TEN, rf"{_NUMBER}\s*{_OF_TEN}", lambda text: f"10 * {_first(text)}"),
            _Spelling(Shape.FRACTION, f"[-+]?0*{_DECIMALS}", lambda text: f"100 * {_first(text)}"),
            # From one to ten: may be out of ten. Larger decimals must be out of a hundred.
            _Spelling(Shape.SMALL_DECIMAL, f"[+]?0*([1-9]{_DECIMALS}|10[.,]0+)", None),
            _Spelling(Shape.DECIMAL, f"[-+]?[0-9]+{_DECIMALS}"),
            _Spelling(
                Shape.AMBIGUOUS_COMMA,
                rf"{_COMMA}\s*({_PERCENT}|{_OF_TEN}|{_OF_A_HUNDRED})?",
                None,
            ),
        ),
    ),
    Kind.WHOLE_NUMBER: _Reading(
        lowest=-(2**31), highest=2**31 - 1, plain_digits=9, spellings=(_WHOLE,)
    ),
}


def duration_ms(text: str) -> str:
    """Return SQL that reads a text as whole milliseconds, or NULL.

    `5200`, `5200.7 ms`, `5.2s`, `5,2 sec`, `1:05`, `1:05.5`, `1:01:05`. Rounded half up.
    """
    return _number(text, Kind.DURATION_MS)


def score(text: str) -> str:
    """Return SQL that reads a text as a whole score from 0 to 100, or NULL.

    `85`, `85.5`, `85.5 %`, `85/100`, `8.5/10`, `0.85`; a whole number is out of a hundred, a
    decimal below one is a fraction. Rounded half up.
    """
    return _number(text, Kind.SCORE)


def whole_number(text: str) -> str:
    """Return SQL that reads a text as an integer, or NULL."""
    return _number(text, Kind.WHOLE_NUMBER)


def shape(text: str, kind: Kind) -> str:
    """Return SQL for the `Shape` of a text read as `kind`; NULL stays NULL."""
    text = _bytewise(text)
    spellings = (
        _when(_fits(text, spelling), _shape_in_range(text, spelling, _READINGS[kind]))
        for spelling in _READINGS[kind].spellings
    )
    return _case(
        _when(f"{text} IS NULL", "NULL"),
        _when(_too_long(text), f"'{Shape.OTHER}'"),
        _when(rf"{text} ~ '^\s*$'", f"'{Shape.EMPTY}'"),
        *spellings,
        f"ELSE '{Shape.OTHER}'",
    )


def is_kept(text: str, value: str) -> str:
    """Return SQL for whether a text differs from the integer that it was read as.

    Such texts (` 7`, `007`, `5.2s`, `n/a`) are kept byte for byte.

    Args:
        text: SQL of the raw text.
        value: SQL of the integer, or NULL.
    """
    return f"({text} IS NOT NULL AND {_bytewise(text)} IS DISTINCT FROM CAST({value} AS text))"


def _number(text: str, kind: Kind) -> str:
    reading, text = _READINGS[kind], _bytewise(text)
    # Nearly all are NULL or plain digits: check these first and fast, as the table is locked. A
    # regular expression with a bounded count, [0-9]{1,9}, takes three times as long.
    plain = f"octet_length({text}) <= {reading.plain_digits} AND {text} ~ '^[0-9]+$'"
    return _case(
        _when(f"{text} IS NULL OR {_too_long(text)}", "NULL"),
        _when(plain, f"CAST({text} AS integer)"),
        *(
            _when(_fits(text, spelling), _rounded_in_range(text, spelling, reading))
            for spelling in reading.spellings
        ),
    )


def _bytewise(text: str) -> str:
    # Some collations do not support regular expressions; in others, \s and ~* go beyond ASCII.
    return f'({text} COLLATE "C")'


def _too_long(text: str) -> str:
    return f"octet_length({text}) > {LONGEST_BYTES}"


def _fits(text: str, spelling: _Spelling) -> str:
    return rf"{text} ~* '^\s*({spelling.pattern})\s*$'"


def _rounded_in_range(text: str, spelling: _Spelling, reading: _Reading) -> str:
    if spelling.value is None:
        return "NULL"
    value = spelling.value(text)
    return _case(_when(_in_range(value, reading), f"CAST(round({value}) AS integer)"))


def _shape_in_range(text: str, spelling: _Spelling, reading: _Reading) -> str:
    if spelling.value is None:
        return f"'{spelling.shape}'"
    in_range = _when(_in_range(spelling.value(text), reading), f"'{spelling.shape}'")
    return _case(in_range, f"ELSE '{Shape.OUT_OF_RANGE}'")


def _in_range(value: str, reading: _Reading) -> str:
    return f"{value} BETWEEN {reading.lowest} AND {reading.highest}"


def _when(condition: str, result: str) -> str:
    return f"WHEN {condition} THEN {result}"


def _case(*branches: str) -> str:
    return f"CASE {' '.join(branches)} END"
