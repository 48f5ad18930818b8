"""Read a number with what belongs to it: "1999", "$5.50", "3rd", "-5°C", "50%", "room 101"."""

import re
from typing import Final

from speech.text import money
from speech.text.numerals import (
    cardinal,
    decimal,
    digit_by_digit,
    is_read_digit_by_digit,
    ordinal,
    plural,
    said_whole,
    words_of,
    year,
)

_SIGNS: Final = {"-": ("minus",), "+": ("plus",), "#": ("number",)}
_TEMPERATURES: Final = {"C": " celsius", "F": " fahrenheit", "℃": " celsius", "℉": " fahrenheit"}
# A bare four-digit number in this range is far more often a year than a count.
_YEARS: Final = range(1100, 2100)
_EARLY_YEARS: Final = range(1001, 1100)  # after "in" or "year"
_ORDINALS: Final = frozenset({"st", "nd", "rd", "th"})

# The previous word decides how a number is said: digit by digit,
_CODE: Final = re.compile(
    r"\b(?:code|extension|ext\.|passcode|password|pin|zip)(?:\ is|:)?\ $", re.IGNORECASE
)
_LONGEST_BEFORE: Final = len("extension is ")
_MIN_ORDER_DIGITS: Final = 5  # "#12345"
_LOCAL_TELEPHONE: Final = re.compile("[0-9]{5,6}(?!00)[0-9]{2}")
_CALLS: Final = frozenset({"call", "called", "calling", "dial", "dialed", "dialled"})
_EMERGENCY: Final = "911"
# in parts, "one oh one",
_PLACES: Final = frozenset({
    "airbus", "apartment", "apt.", "boeing", "bus", "exit", "flight", "gate", "highway",
    "interstate", "room", "route", "suite",
})  # fmt: skip
# or with numbers after the dot, "three point eleven".
_VERSIONED: Final = frozenset({
    "android", "chrome", "django", "firefox", "ios", "java", "linux", "macos", "node", "php",
    "postgres", "python", "release", "ruby", "ubuntu", "update", "v", "version", "windows",
})  # fmt: skip
# An airline's or a model's letters right before: "BA 249", "A380", "F-150".
_MODEL: Final = re.compile(
    r"(?<=[A-Z])|(?<=\b[A-Z]-)|(?<=\b(?!AT|IN|ON|BY|OF|TO|IS|OR)[A-Z]{2}[ -])"
)
_STATE: Final = re.compile(r"(?<=\b[A-Z]{2}\ )")  # CA 90210
_PLAN: Final = re.compile(r"\([kbc]\)")  # 401(k)
_PRICE_BEFORE_NOUN: Final = re.compile(r"\ (?:bill|coin|note|gift|voucher)\b")

# All repetitions are bounded, here and in the other patterns: see `tokens`.
_GROUPED: Final = r"""
    \d{1,3}(?:,\d{3}){1,8}(?!\d)
    |\d{1,2}(?:,\d{2}){1,5},\d{3}(?!\d)  # 1,00,000
    |\d{1,3}(?:\.\d{3}){2,8}(?!\d|\.\d)
    |\d{1,3}(?:\.\d{3}){1,8}(?=,\d{1,2}(?!\d))
    |[1-9]\d{0,2}\.000(?![\d.])
    |\d{1,3}(?:'\d{3}){1,8}(?!\d)
    |(?<!\d\ )[1-9]\d?(?:\ \d{3}){1,8}(?!\d|\ \d)
    |(?<!\d\ )[1-9]\d{0,2}(?:\ \d{3}){0,7}\ 000(?!\d)
    |(?<!\d\ )[1-9]\d{0,2}(?:\ \d{3}){1,8}(?=,\d{1,2}(?!\d))
"""
NUMBER: Final = re.compile(
    rf"""(?P<sign>(?<![^\s("'\u2018\u201c«\[=])(?:[-+]|\#\ ?)|(?<=\d-)\#)?
        (?P<currency>{money.BEFORE})?(?(currency)(?P<minus>-)?)
        (?:(?P<in_list>(?<=\d,))|(?<!\d,))
        (?P<whole>{_GROUPED}|\d{{1,64}}|(?<![\w.])(?=\.\d))
        (?:\.(?P<fraction>\d{{1,64}})|,(?(in_list)(?!))(?P<comma>\d{{1,2}})(?!\d|,\d))?
        (?P<versions>(?:\.\d{{1,9}}){{1,8}})?
        (?(currency)(?P<scale>{money.SCALE})?(?:(?<=\.\d\d)p\b)?(?P<code>{money.CODE})?)
        (?P<suffix>(?i:(?:st|nd|rd|th|'?s)\b)
            |\ ?%|\ ?°(?:\ ?(?i:[cf])\b)?|\ ?[℃℉]|(?(currency)(?!)){money.AFTER})?""",
    re.VERBOSE,
)


# "$5-10": only the second number is followed by the currency's name.
PRICE_RANGE: Final = rf"""
    (?P<shared>{money.BEFORE})(?P<low>\d{{1,9}}(?:[.,]\d{{1,3}}){{0,2}})(?:\ -\ |-)
    (?P<high>\d{{1,9}}(?:[.,]\d{{1,3}}){{0,2}}{money.SCALE}?)(?![\d-]|\ ?[{money.SIGNS}])
"""


def spoken_price_range(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say "five to ten dollars"."""
    low, high = NUMBER.match(match["low"]), NUMBER.match(match["shared"] + match["high"])
    if low is None or high is None:
        return ()
    return (
        *spoken_number(low, "", is_day=False),
        "to",
        *spoken_number(high, before, is_day=False),
    )


def spoken_number(match: re.Match[str], before: str, *, is_day: bool) -> tuple[str, ...]:
    """Say a match of `NUMBER` in lower-case words without punctuation.

    Args:
        match: Match of `NUMBER` or of a pattern that contains it.
        before: The previous token as written.
        is_day: Whether it follows the name of a month: the "5" in "May 5" is "fifth".
    """
    sign = (match["sign"] or match["minus"] or "").rstrip()
    return (*_SIGNS.get(sign, ()), *words_of(_say(match, before, is_day=is_day)))


def _say(match: re.Match[str], before: str, *, is_day: bool) -> str:
    digits = re.sub(r"[^\d]", "", match["whole"])
    fraction = match["fraction"] or match["comma"]
    suffix = (match["suffix"] or "").lstrip(" .,-")
    if match["versions"] or (match["fraction"] and before.lower() in _VERSIONED):
        return _say_version(match, digits)
    currency = _currency(match) or suffix
    if money.is_currency(currency):
        return _say_money(match, currency, digits, fraction, before)
    if fraction or (match["whole"] == digits and is_read_digit_by_digit(digits)):
        return decimal(digits, fraction) + _unit(suffix, digits, fraction)
    if not suffix and (said := _say_as_name(match, digits, before)):
        return said
    return _say_integer(match["whole"], int(digits), suffix.lower(), before, is_day=is_day)


def _currency(match: re.Match[str]) -> str:
    written = (match["currency"] or "").replace(" ", "")
    return (match["code"] or "").strip() if written == "$" and match["code"] else written


def _say_version(match: re.Match[str], digits: str) -> str:
    """Say each part as a number; an address of the Internet has "dot" between them."""
    after = f"{match['fraction'] or match['comma'] or ''}{match['versions'] or ''}"
    parts = [digits, *after.removeprefix(".").split(".")]
    if len(parts) == 4 and all(1 <= len(part) <= 3 for part in parts):
        return " dot ".join(
            year(int(part)) if len(part) == 3 else said_whole(part) for part in parts
        )
    return " point ".join(map(said_whole, parts))


def _say_money(
    match: re.Match[str], currency: str, digits: str, fraction: str | None, before: str
) -> str:
    if fraction and len(fraction) == 3 and len(digits) <= 3 and money.has_thousands(currency):
        digits, fraction = digits + fraction, None
    elif fraction and len(fraction) == 3:
        fraction = fraction.removesuffix("0")
    is_one = (
        before.lower() in {"a", "an"}
        or (match["scale"] or "").startswith("-")  # "$10-million deal"
        or bool(_PRICE_BEFORE_NOUN.match(match.string, match.end()))
    )
    return money.say_money(currency, digits, fraction, match["scale"], is_one=is_one)


def _say_as_name(match: re.Match[str], digits: str, before: str) -> str:
    """Say a code or the number of a room, a flight or a model; empty for any other number."""
    word = before.lower()
    if _is_code(match, digits, word):
        return digit_by_digit(digits)
    is_place = word in _PLACES and len(digits) in {3, 4}
    follows_letters = not match["sign"] and _MODEL.match(match.string, match.start())
    if len(digits) == 5 and _STATE.match(match.string, match.start()):
        return digit_by_digit(digits)
    is_model = len(digits) == 3 and (follows_letters or _PLAN.match(match.string, match.end()))
    return year(int(digits)) if is_place or is_model else ""


def _is_code(match: re.Match[str], digits: str, before: str) -> bool:
    """Return whether a number is a code, a telephone number or a number of an order."""
    earlier = match.string[max(match.start() - _LONGEST_BEFORE, 0) : match.start()]
    is_called = before in _CALLS and len(digits) == 3 and digits[-1] != "0"
    is_order = (match["sign"] or "").startswith("#") and len(digits) >= _MIN_ORDER_DIGITS
    is_telephone = _LOCAL_TELEPHONE.fullmatch(match["whole"])
    is_known = is_called or is_order or match["whole"] == _EMERGENCY
    return is_known or bool(is_telephone or _CODE.search(earlier))


def _say_integer(written: str, number: int, suffix: str, before: str, *, is_day: bool) -> str:
    if suffix in _ORDINALS or (is_day and not suffix and 1 <= number <= 31):
        return ordinal(number)
    is_plural = suffix in {"s", "'s"}
    is_year = number in _YEARS or (before.lower() in {"in", "year"} and number in _EARLY_YEARS)
    is_year = is_year and len(written) == 4 and (is_plural or not suffix)
    said = year(number) if is_year else cardinal(number)
    return plural(said) if is_plural else said + _unit(suffix.upper(), written, None)


def _unit(suffix: str, digits: str, fraction: str | None) -> str:
    if suffix == "%":
        return " percent"
    if suffix == "s" and fraction:  # "9.58s"
        return " seconds"
    if suffix and suffix[0] in "°℃℉":
        degrees = " degree" if digits == "1" and not fraction else " degrees"
        return degrees + _TEMPERATURES.get(suffix[-1].upper(), "")
    return ""
