"""Numbers as they are said: "1999", "$5.50", "3rd", "50%" to lower-case words."""

import re
from decimal import Decimal
from typing import Final

from num2words import num2words

_CURRENCIES: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
# Longer digit strings are read out one by one: telephone numbers, account numbers.
_MAX_DIGITS: Final = 12
# Four digits in this range, with nothing around them, are a year far more often than a count.
_YEARS: Final = range(1100, 2100)

NUMBER: Final = re.compile(
    r"""(?P<currency>[$€£¥])?
        (?P<whole>\d{1,3}(?:,\d{3})+|\d+)
        (?:\.(?P<fraction>\d+))?
        (?P<suffix>%|(?:st|nd|rd|th|s)\b)?""",
    re.VERBOSE | re.IGNORECASE,
)


def spoken_number(match: re.Match[str]) -> tuple[str, ...]:
    """Say a match of `NUMBER`, in lower-case words without punctuation."""
    return tuple(re.findall(r"[a-z']+", _say(match).lower()))


def _say(match: re.Match[str]) -> str:
    digits, fraction = match["whole"].replace(",", ""), match["fraction"]
    suffix = (match["suffix"] or "").lower()
    if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0" and not fraction):
        return " ".join(num2words(int(digit)) for digit in digits)
    if fraction:
        return _say_fraction(match["currency"], digits, fraction) + _percent(suffix)
    number = int(digits)
    if match["currency"]:
        return str(
            num2words(Decimal(number), to="currency", currency=_CURRENCIES[match["currency"]])
        ).split(",")[0]
    if suffix in {"st", "nd", "rd", "th"}:
        return str(num2words(number, to="ordinal"))
    is_year = len(match["whole"]) == 4 and number in _YEARS and suffix in {"", "s"}
    words = str(num2words(number, to="year" if is_year else "cardinal"))
    return _plural(words) if suffix == "s" else words + _percent(suffix)


def _say_fraction(currency: str | None, digits: str, fraction: str) -> str:
    number = Decimal(f"{digits}.{fraction[:_MAX_DIGITS]}")
    if currency and len(fraction) == 2:
        return str(num2words(number, to="currency", currency=_CURRENCIES[currency]))
    return str(num2words(number))


def _percent(suffix: str) -> str:
    return " percent" if suffix == "%" else ""


def _plural(words: str) -> str:
    """Make "nineteen ninety" the decade "nineteen nineties"."""
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
