"""Read dates: "12/25", "2024-12-25", "25 July", "Jan.", "Mon"; and fractions, written alike."""

import re
from typing import Final

from speech.text.abbreviations import any_of
from speech.text.numerals import cardinal, decimal, ordinal, words_of, year

MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
# Next to a number, in any case.
_SHORT_MONTHS: Final = {
    "jan": "january", "feb": "february", "mar": "march", "apr": "april", "jun": "june",
    "jul": "july", "aug": "august", "sept": "september",
    "sep": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
_WEEKDAYS: Final = {
    "Mon": "monday", "Tue": "tuesday", "Tues": "tuesday", "Wed": "wednesday", "Thu": "thursday",
    "Thur": "thursday", "Thurs": "thursday", "Fri": "friday", "Sat": "saturday", "Sun": "sunday",
}  # fmt: skip

_DATE: Final = r"""
    (?<![\d/.-])(?:
        (?P<iso>[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2})
        |(?P<dotted>[0-9]{1,2}[.-][0-9]{1,2}[.-][12][0-9]{3}|[0-3][0-9]\.[01][0-9]\.[0-9]{2}(?!\.?\d))
        |(?P<slashed>[0-9]{1,2}/[0-9]{1,2}/(?:[12][0-9]{3}|[0-9]{2}))
    )(?![\d/-])
"""
# In lower case these are verbs.
_VERBS: Final = frozenset({"march", "may"})
_MONTH: Final = any_of(
    {
        *(
            spelled
            for month in (*MONTHS, *_SHORT_MONTHS)
            for spelled in (month.title(), month.upper())
        ),
        *(month for month in (*MONTHS, *_SHORT_MONTHS) if month not in _VERBS),
    }
)
# The day of "25 July"; "5th of May" is read as it is written.
_DAY: Final = rf"""
    (?<![\d.,:/$€£¥-])(?P<from>[0-3]?[0-9](?:st|nd|rd|th)?-)?
    (?P<to>[12][0-9]|3[01]|0?[1-9])(?:st|nd|rd|th)?(?=\ (?:{_MONTH})\b|-(?:{_MONTH})-[0-9])
"""
_MIXED: Final = r"""
    (?<![\d/.,])(?P<units>[0-9]{1,3})\ (?P<parts>1/2|[12]/3|[13]/4|[1-4]/5|[1357]/8)(?![\d/]|\.\d)
"""
# "4.5/5" and "4/5 stars".
_MARK: Final = r"""
    (?<![\d/.])(?:[0-9]{1,3}[.,][0-9]{1,2}/[0-9]{1,3}(?![\d/]|\.\d)
        |[0-9]{1,3}/[0-9]{1,3}(?=\ (?:stars?|points?|marks)\b))
"""
_FRACTION: Final = r"(?<![\d/.])(?P<numerator>[0-9]{1,3})/(?P<denominator>[0-9]{1,3})(?![\d/]|\.\d)"

_AFTER_MONTH: Final = "|".join(
    rf"(?<=\b{month}{dot}\ -\ )"
    for month in (*map(str.title, MONTHS), *map(str.title, _SHORT_MONTHS))
    for dot in ("", r"\.")
)
_AFTER_WEEKDAY: Final = "|".join(
    rf"(?<=\b{day}{dot}\ -\ )" for day in _WEEKDAYS for dot in ("", r"\.")
)

# Alternatives of the token pattern; the first match wins.
PATTERNS: Final = {
    "date": _DATE,
    "day_of_month": _DAY,
    "mixed": _MIXED,
    "mark": _MARK,
    "slash": _FRACTION,
}
NAMES: Final = {
    "month": rf"""\b(?i:{any_of(_SHORT_MONTHS)})\b\.?(?=\ [0-9])
                  |(?:(?<=[0-9]\ )|(?<=(?:st|nd|rd|th)\ ))(?i:{any_of(_SHORT_MONTHS)})\b\.?
                  |\b(?:Feb|Apr|Aug|Sept?|Oct|Nov|Dec)\b\.?(?!['-])
                  |\b(?:Jan|Mar|Jun|Jul)\b\.?(?=(?:-|\ -\ )(?:{_MONTH})\b)
                  |(?=J|M)(?:(?<=[a-z]-)|{_AFTER_MONTH})(?:Jan|Mar|Jun|Jul)\b\.?(?!-)
                  |(?:(?<=\bof\ )|(?<=\bin\ ))(?:Jan|Mar|Jun|Jul)\b\.?(?!['-])""",
    "weekday": rf"""\b(?:(?:Mon|Tues?|Wed|Thu|Thurs?|Fri)\b\.?(?!')
                  |(?<!\bthe\ )(?:Sat|Sun)\.?(?=,?\ [0-9]|(?:-|\ -\ )(?:Mon|Tue|Wed|Thu|Fri|Sun))
                  |(?=S)(?:(?<=-)|{_AFTER_WEEKDAY})(?:Sat|Sun)\b|Sat\b(?=\ (?:and|or|&)\ Sun\b)
                  |(?:(?<=Sat\ and\ )|(?<=Sat\ or\ )|(?<=Sat\ &\ ))Sun\b)""",
}

_EARLIEST_SHORT_YEAR: Final = 50  # '50 is 1950
_SINCE_DAY: Final = re.compile(rf"\b(?:{_MONTH})\.?\ [0-9]{{1,2}}-$")
_LONGEST_BEFORE: Final = len("September 30-")

# Read as two numbers, never as a date or a fraction.
_PAIRS: Final = frozenset({(24, 7), (9, 11), (20, 20), (50, 50)})
# Denominators of fractions; any other is more likely a day of the month.
_PARTS: Final = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth"}
_FULL_MARKS: Final = frozenset({10, 100})


def spoken_date(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say a date with its year.

    The month is first, as in America, unless only the day can be, or dots separate the numbers.
    """
    numbers = [int(part) for part in re.split(r"[-/.]", match[0])]
    if match["iso"]:
        full_year, first, second = numbers
    else:
        first, second, full_year = numbers
        full_year += _century(full_year)
    the = _the(before)
    day_and_month = _day_first(first, second, the) if "." in (match["dotted"] or "") else None
    day_and_month = day_and_month or _day_and_month(first, second, the)
    if day_and_month is None:
        return words_of(" ".join(cardinal(number) for number in numbers))
    return words_of(f"{day_and_month} {year(full_year)}")


def _century(full_year: int) -> int:
    if full_year >= 100:
        return 0
    return 2000 if full_year < _EARLIEST_SHORT_YEAR else 1900


def spoken_day(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say the day or days before a month: "the twenty-fifth of"."""
    first = f"{ordinal(int(re.sub('[^0-9]', '', match['from'])))} to the " if match["from"] else ""
    return words_of(f"{_the(before)}{first}{ordinal(int(match['to']))} of")


def spoken_mark(match: re.Match[str]) -> tuple[str, ...]:
    """Say "four point five out of five"."""
    got, most = match[0].split("/")
    whole, _, fraction = got.replace(",", ".").partition(".")
    return words_of(f"{decimal(whole, fraction)} out of {cardinal(int(most))}")


def is_day(match: re.Match[str], before: str) -> bool:
    """Return whether a number is a day: "May 5", and both in "May 5-7"."""
    earlier = match.string[max(match.start() - _LONGEST_BEFORE, 0) : match.start()]
    return is_month(before) or bool(_SINCE_DAY.search(earlier))


def spoken_mixed(match: re.Match[str]) -> tuple[str, ...]:
    """Say "three and three quarters"."""
    over, under = map(int, match["parts"].split("/"))
    parts = _part(under, is_one=over == 1)
    said = f"a {parts}" if over == 1 else f"{cardinal(over)} {parts}"
    return words_of(f"{cardinal(int(match['units']))} and {said}")


def spoken_slash(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say the likeliest of a mark ("nine out of ten"), a fraction, a division and a date."""
    over, under = int(match["numerator"]), int(match["denominator"])
    if match.string.startswith(("=", " ="), match.end()):
        said = f"{cardinal(over)} divided by {cardinal(under)}"
    elif (over, under) in _PAIRS or match.string.startswith(" time", match.end()):
        said = f"{cardinal(over)} {cardinal(under)}"
    elif over == under or (under in _FULL_MARKS and over < under):
        said = f"{cardinal(over)} out of {cardinal(under)}"
    elif under in _PARTS and 0 < over < under:
        said = f"{cardinal(over)} {_part(under, is_one=over == 1)}"
    else:
        said = _day_and_month(over, under, _the(before)) or ""
    said = said or f"{cardinal(over)} over {cardinal(under)}"
    return words_of(said)


def _part(denominator: int, *, is_one: bool) -> str:
    return _PARTS[denominator] + ("" if is_one else "s")


def _the(before: str) -> str:
    return "" if before.lower() == "the" else "the "


def _day_and_month(first: int, second: int, the: str) -> str | None:
    if 1 <= first <= 12 and 1 <= second <= 31:
        return f"{MONTHS[first - 1]} {ordinal(second)}"
    return _day_first(first, second, the)


def _day_first(first: int, second: int, the: str) -> str | None:
    if 1 <= second <= 12 and 1 <= first <= 31:
        return f"{the}{ordinal(first)} of {MONTHS[second - 1]}"
    return None


def is_month(written: str) -> bool:
    """Return whether this is a month: "may" is a verb."""
    name = written.rstrip(".").lower()
    is_name = name in MONTHS or name in _SHORT_MONTHS
    return is_name and (written[:1].isupper() or name not in _VERBS)


def spoken_month(match: re.Match[str]) -> tuple[str, ...]:
    """Say a month in full."""
    return (_SHORT_MONTHS[match[0].rstrip(".").lower()],)


def spoken_weekday(match: re.Match[str]) -> tuple[str, ...]:
    """Say a day of the week in full."""
    return (_WEEKDAYS[match[0].rstrip(".")],)
