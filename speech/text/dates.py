"""Read composed numbers: "3:30", "12/25", "2024-12-25", "1/2", "555-0134"."""

import re
from typing import Final

from speech.text.numerals import cardinal, digit_by_digit, ordinal, words_of, year

MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip

_CLOCK: Final = r"""
    (?<![\d:.,])(?P<hours>[01]?[0-9]|2[0-4]):(?P<minutes>[0-5][0-9])(?P<seconds>:[0-5][0-9])?
    (?:(?=\ ?(?P<half_of_day>[ap]\.?m\b))|)(?![\d:])
"""
_RATIO: Final = r"(?<![\d:.,])(?P<this>[0-9]{1,4}):(?P<that>[0-9]{1,4})(?![\d:])"
_DATE: Final = r"""
    (?<![\d/.-])(?:
        (?P<iso>[12][0-9]{3}[-/][0-9]{1,2}[-/][0-9]{1,2})
        |(?P<dotted>[0-9]{1,2}[.-][0-9]{1,2}[.-][12][0-9]{3})
        |(?P<slashed>[0-9]{1,2}/[0-9]{1,2}/(?:[12][0-9]{3}|[0-9]{2}))
    )(?![\d/-])
"""
_TELEPHONE: Final = r"""
    (?<![\d-])(?:
        (?:[0-9]{2,4}-){1,2}[0-9]{3,4}-[0-9]{4}
        |[0-9]{3}-[0-9]{4}
        |(?:\+[0-9]{1,3}\ ?)?\([0-9]{2,4}\)\ ?[0-9]{3,4}[-.\ ][0-9]{4}
        |\+[0-9]{1,3}(?:[-.\ ][0-9]{2,4}){2,4}
    )(?![\d-])
"""
_FRACTION: Final = r"(?<![\d/.])(?P<numerator>[0-9]{1,3})/(?P<denominator>[0-9]{1,3})(?![\d/]|\.\d)"

# Alternatives of the token pattern; the first match wins.
PATTERNS: Final = {
    "clock": _CLOCK,
    "ratio": _RATIO,
    "date": _DATE,
    "phone_number": _TELEPHONE,
    "slash": _FRACTION,
}

# Read as two numbers, never as a date or a fraction.
_PAIRS: Final = frozenset({(24, 7), (9, 11), (20, 20), (50, 50)})
# Denominators of fractions; any other is more likely a day of the month.
_PARTS: Final = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth"}
_FULL_MARKS: Final = frozenset({10, 100})


def spoken_clock(match: re.Match[str]) -> tuple[str, ...]:
    """Say a time of day; "o'clock" unless a.m. or p.m. follows."""
    hours, minutes, seconds = int(match["hours"]), match["minutes"], match["seconds"]
    said = [cardinal(hours)]
    if minutes != "00":
        said.append(_two_digits(minutes))
    elif not match["half_of_day"] and not seconds:
        said.append("o'clock" if hours <= 12 else "hundred")
    if seconds:
        said.append(_two_digits(seconds[1:]))
    return words_of(" ".join(said))


def spoken_ratio(match: re.Match[str]) -> tuple[str, ...]:
    """Say "three to one"; a 1:1 lesson is "one on one"."""
    this, that = int(match["this"]), int(match["that"])
    between = "on" if this == that == 1 else "to"
    return words_of(f"{cardinal(this)} {between} {cardinal(that)}")


def spoken_date(match: re.Match[str]) -> tuple[str, ...]:
    """Say a date with its year: month first, as in America, unless only the day can be first."""
    numbers = [int(part) for part in re.split(r"[-/.]", match[0])]
    if match["iso"]:
        full_year, first, second = numbers
    else:
        first, second, full_year = numbers
        full_year += 2000 if full_year < 100 else 0
    day_and_month = _day_and_month(first, second)
    if day_and_month is None:
        return words_of(" ".join(cardinal(number) for number in numbers))
    return words_of(f"{day_and_month} {year(full_year)}")


def spoken_telephone(match: re.Match[str]) -> tuple[str, ...]:
    """Say a telephone number digit by digit."""
    return words_of(digit_by_digit(re.sub("[^0-9]", "", match[0])))


def spoken_slash(match: re.Match[str]) -> tuple[str, ...]:
    """Say the likeliest of a mark ("nine out of ten"), a fraction and a date."""
    over, under = int(match["numerator"]), int(match["denominator"])
    if (over, under) in _PAIRS:
        said = f"{cardinal(over)} {cardinal(under)}"
    elif over == under or (under in _FULL_MARKS and over < under):
        said = f"{cardinal(over)} out of {cardinal(under)}"
    elif under in _PARTS and 0 < over < under:
        said = f"{cardinal(over)} {_part(under, is_one=over == 1)}"
    else:
        said = _day_and_month(over, under) or f"{cardinal(over)} over {cardinal(under)}"
    return words_of(said)


def _part(denominator: int, *, is_one: bool) -> str:
    return _PARTS[denominator] + ("" if is_one else "s")


def _day_and_month(first: int, second: int) -> str | None:
    if 1 <= first <= 12 and 1 <= second <= 31:
        return f"{MONTHS[first - 1]} {ordinal(second)}"
    if 1 <= second <= 12 and 13 <= first <= 31:
        return f"{ordinal(first)} of {MONTHS[second - 1]}"
    return None


def _two_digits(digits: str) -> str:
    return f"oh {cardinal(int(digits))}" if digits[0] == "0" else cardinal(int(digits))
