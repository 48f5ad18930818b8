"""Say whole numbers, years, ordinals and decimals in lower-case words."""

import re
from functools import lru_cache
from typing import Final

from num2words import num2words

# Longer numbers are read digit by digit: account numbers.
_MAX_DIGITS: Final = 12
# So are shorter ones that are not round: telephone numbers.
_MIN_TELEPHONE_DIGITS: Final = 9


def words_of(said: str) -> tuple[str, ...]:
    """Split the output of num2words: "twenty-one" is two words."""
    return tuple(re.findall(r"[a-z']+", said.lower()))


@lru_cache(maxsize=4_096)
def ordinal(number: int) -> str:
    """Say "fifth" for 5."""
    return _american(num2words(number, to="ordinal"))


@lru_cache(maxsize=4_096)
def cardinal(number: int) -> str:
    """Say "five" for 5."""
    return _american(num2words(number))


@lru_cache(maxsize=4_096)
def year(number: int) -> str:
    """Say "nineteen ninety-nine" for 1999; rooms and flights are said alike: "one oh-one"."""
    return _american(num2words(number, to="year"))


def _american(said: str) -> str:
    """Drop the British "and" of "one hundred and one": each number has one reading."""
    return said.replace(" and ", " ")


def said_whole(digits: str) -> str:
    """Say a whole number, digit by digit if it is long or begins with zero; empty for no digits."""
    if not digits:  # ".5", ".3.4"
        return ""
    return digit_by_digit(digits) if is_read_digit_by_digit(digits) else cardinal(int(digits))


def is_read_digit_by_digit(digits: str) -> bool:
    """Return whether digits are a code or a telephone number, not a count."""
    if len(digits) > _MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0):
        return True
    return len(digits) >= _MIN_TELEPHONE_DIGITS and not digits.endswith("000")


def digit_by_digit(digits: str) -> str:
    """Say "five five five" for 555."""
    return " ".join(cardinal(int(digit)) for digit in digits)


def decimal(digits: str, fraction: str | None) -> str:
    """Say "three point one four" for 3.14; a whole number without a fraction."""
    whole = said_whole(digits)
    return f"{whole} point {digit_by_digit(fraction)}" if fraction else whole


def two_digits(digits: str) -> str:
    """Say "oh five" for 05, and "fifteen" for 15."""
    return f"oh {cardinal(int(digits))}" if digits[0] == "0" else cardinal(int(digits))


def plural(words: str) -> str:
    """Make "nineteen ninety" the decade "nineteen nineties"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")
