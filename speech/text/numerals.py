"""Read numbers as lower-case words: "1999", "$5.50", "3rd", "-5°C", "50%"."""

import re
from typing import Final

from num2words import num2words

# Singular and plural.
_CURRENCIES: Final = {
    "$": ("dollar", "dollars"),
    "€": ("euro", "euros"),
    "£": ("pound", "pounds"),
    "¥": ("yen", "yen"),
    "₩": ("won", "won"),
    "₹": ("rupee", "rupees"),
    "¢": ("cent", "cents"),
}
# Singular and plural of the hundredth.
_HUNDREDTHS: Final = {"$": ("cent", "cents"), "€": ("cent", "cents"), "£": ("penny", "pence")}
_SCALES: Final = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_SIGNS: Final = {"-": ("minus",), "+": ("plus",), "#": ("number",)}
_TEMPERATURES: Final = {"C": " celsius", "F": " fahrenheit", "℃": " celsius", "℉": " fahrenheit"}
# Longer numbers are read digit by digit: telephone numbers, account numbers.
_MAX_DIGITS: Final = 12
# A bare four-digit number in this range is far more often a year than a count.
_YEARS: Final = range(1100, 2100)

# All repetitions are bounded, here and in the other patterns: see `tokens`.
NUMBER: Final = re.compile(
    r"""(?P<sign>(?<![^\s(])[-+\#])?
        (?P<currency>[$€£¥₩₹])?
        (?P<whole>\d{1,3}(?:,\d{3}){1,8}(?!\d)|\d{1,64}|(?<![\w.])(?=\.\d))
        (?:\.(?P<fraction>\d{1,64}))?
        (?P<versions>(?:\.\d{1,9}){1,8})?
        (?(currency)(?P<scale>(?i:\ (?:thousand|million|billion|trillion)\b|(?:k|m|bn?)\b))?)
        (?P<suffix>(?i:(?:st|nd|rd|th|'?s)\b)
            |\ ?%|\ ?°(?:\ ?(?i:[cf])\b)?|\ ?[℃℉]|\ ?[$€£¥₩₹¢](?!\d))?""",
    re.VERBOSE,
)


def spoken_number(match: re.Match[str], *, is_day: bool) -> tuple[str, ...]:
    """Say a match of `NUMBER` in lower-case words without punctuation.

    Args:
        match: Match of `NUMBER` or of a pattern that contains it.
        is_day: Whether it follows the name of a month: the "5" in "May 5" is "fifth".
    """
    said = _say(match, is_day=is_day)
    return (*_SIGNS.get(match["sign"], ()), *words_of(said))


def words_of(said: str) -> tuple[str, ...]:
    """Split the output of num2words: "twenty-one" is two words."""
    return tuple(re.findall(r"[a-z']+", said.lower()))


def ordinal(number: int) -> str:
    """Say "fifth" for 5."""
    return _american(num2words(number, to="ordinal"))


def cardinal(number: int) -> str:
    """Say "five" for 5."""
    return _american(num2words(number))


def year(number: int) -> str:
    """Say "nineteen ninety-nine" for 1999."""
    return _american(num2words(number, to="year"))


def _american(said: str) -> str:
    """Drop the British "and" of "one hundred and one": each number has one reading."""
    return said.replace(" and ", " ")


def said_whole(digits: str) -> str:
    """Say a whole number, digit by digit if it is long or begins with zero; empty for no digits."""
    if not digits:  # ".5", ".3.4"
        return ""
    return digit_by_digit(digits) if _is_read_digit_by_digit(digits) else cardinal(int(digits))


def digit_by_digit(digits: str) -> str:
    """Say "five five five" for 555."""
    return " ".join(cardinal(int(digit)) for digit in digits)


def _say(match: re.Match[str], *, is_day: bool) -> str:
    digits, fraction = match["whole"].replace(",", ""), match["fraction"]
    suffix = (match["suffix"] or "").lstrip()
    if match["versions"]:
        parts = [digits, fraction, *match["versions"][1:].split(".")]
        return " point ".join(said_whole(part) for part in parts)
    currency = match["currency"] or (suffix if suffix in _CURRENCIES else None)
    if currency:
        return _say_money(currency, digits, fraction, match["scale"])
    if fraction or _is_read_digit_by_digit(digits):
        return _say_decimal(digits, fraction) + _unit(suffix, digits, fraction)
    return _say_integer(match["whole"], int(digits), suffix.lower(), is_day=is_day)


def _say_integer(written: str, number: int, suffix: str, *, is_day: bool) -> str:
    if suffix in {"st", "nd", "rd", "th"} or (is_day and not suffix and 1 <= number <= 31):
        return ordinal(number)
    is_plural = suffix in {"s", "'s"}
    is_year = len(written) == 4 and number in _YEARS and (is_plural or not suffix)
    said = year(number) if is_year else cardinal(number)
    return _plural(said) if is_plural else said + _unit(suffix.upper(), written, None)


def _is_read_digit_by_digit(digits: str) -> bool:
    return len(digits) > _MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0)


def _say_decimal(digits: str, fraction: str | None) -> str:
    whole = said_whole(digits)
    return f"{whole} point {digit_by_digit(fraction)}" if fraction else whole


def _say_money(symbol: str, digits: str, fraction: str | None, scale: str | None) -> str:
    if scale:
        scale = scale.strip().lower()
        several = _CURRENCIES[symbol][1]
        return f"{_say_decimal(digits, fraction)} {_SCALES.get(scale, scale)} {several}"
    if fraction and len(fraction) == 2 and symbol in _HUNDREDTHS:
        whole, hundredths = int(digits or 0), int(fraction)
        said = [_say_amount(digits, None, _CURRENCIES[symbol])] if whole or not hundredths else []
        if hundredths:
            said.append(_say_amount(str(hundredths), None, _HUNDREDTHS[symbol]))
        return " ".join(said)
    return _say_amount(digits, fraction, _CURRENCIES[symbol])


def _say_amount(digits: str, fraction: str | None, names: tuple[str, str]) -> str:
    one, several = names
    return f"{_say_decimal(digits, fraction)} {one if digits == '1' and not fraction else several}"


def _unit(suffix: str, digits: str, fraction: str | None) -> str:
    if suffix == "%":
        return " percent"
    if suffix and suffix[0] in "°℃℉":
        degrees = " degree" if digits == "1" and not fraction else " degrees"
        return degrees + _TEMPERATURES.get(suffix[-1].upper(), "")
    return ""


def _plural(words: str) -> str:
    """Make "nineteen ninety" the decade "nineteen nineties"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")
