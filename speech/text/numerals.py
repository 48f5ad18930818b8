"""Numbers as they are said: "1999", "$5.50", "3rd", "50%" to lower-case words."""

import re
from typing import Final

from num2words import num2words

# One of it, several of it, a hundredth of it; yen have none.
_CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cents"),
    "€": ("euro", "euros", "cents"),
    "£": ("pound", "pounds", "pence"),
    "¥": ("yen", "yen", None),
}
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
    if match["currency"]:
        return _say_money(match["currency"], digits, fraction)
    if fraction:
        return _say_decimal(digits, fraction) + _percent(suffix)
    if _is_read_digit_by_digit(digits):
        return _say_digits(digits) + _percent(suffix)
    number = int(digits)
    if suffix in {"st", "nd", "rd", "th"}:
        return str(num2words(number, to="ordinal"))
    is_year = len(match["whole"]) == 4 and number in _YEARS and suffix in {"", "s"}
    words = str(num2words(number, to="year" if is_year else "cardinal"))
    return _plural(words) if suffix == "s" else words + _percent(suffix)


def _is_read_digit_by_digit(digits: str) -> bool:
    return len(digits) > _MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0)


def _say_digits(digits: str) -> str:
    return " ".join(num2words(int(digit)) for digit in digits)


def _say_decimal(digits: str, fraction: str | None) -> str:
    whole = _say_digits(digits) if _is_read_digit_by_digit(digits) else num2words(int(digits))
    return f"{whole} point {_say_digits(fraction)}" if fraction else str(whole)


def _say_money(symbol: str, digits: str, fraction: str | None) -> str:
    one, several, hundredth = _CURRENCIES[symbol]
    if fraction and len(fraction) == 2 and hundredth:
        rest = f" {num2words(int(fraction))} {hundredth}" if int(fraction) else ""
        return _say_money(symbol, digits, None) + rest
    unit = one if digits == "1" and not fraction else several
    return f"{_say_decimal(digits, fraction)} {unit}"


def _percent(suffix: str) -> str:
    return " percent" if suffix == "%" else ""


def _plural(words: str) -> str:
    """Make "nineteen ninety" the decade "nineteen nineties"."""
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
