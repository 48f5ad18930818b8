"""Read units after a number: "5 kg", "20 m²", "9.8 m/s²", "$20/hour", "6 ft 2 in"."""

import re
from typing import Final

from speech.text.abbreviations import any_of
from speech.text.numerals import cardinal

# Plural with -s unless it is 1; in any case.
_REGULAR: Final = {
    "kgs": "kilogram", "kms": "kilometer", "mls": "milliliter", "mcg": "microgram",
    "wk": "week", "wks": "week", "mos": "month",
    "kg": "kilogram", "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "yd": "yard", "yds": "yard",
    "mi": "mile", "l": "liter", "ml": "milliliter", "cl": "centiliter", "dl": "deciliter",
    "mmol": "millimole", "fl oz": "fluid ounce", "gal": "gallon",
    "tsp": "teaspoon", "tbsp": "tablespoon", "min": "minute", "mins": "minute", "hr": "hour",
    "hrs": "hour", "yr": "year", "yrs": "year", "sec": "second", "secs": "second",
    "ms": "millisecond", "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte",
    "px": "pixel", "db": "decibel", "w": "watt", "kw": "kilowatt", "kwh": "kilowatt hour",
    "mah": "milliamp hour", "cal": "calorie", "kcal": "kilocalorie",
}  # fmt: skip
# Plural with -s unless it is 1; exactly as here: "5G" and "5M followers" are not units.
_CASED: Final = {
    "g": "gram", "m": "meter", "h": "hour", "V": "volt", "MW": "megawatt", "GW": "gigawatt",
    "μm": "micrometer", "μg": "microgram", "Ω": "ohm", "hPa": "hectopascal", "kPa": "kilopascal",
}  # fmt: skip
# Likewise, with -s after the first word; feet and hertz have other plurals.
_FIXED: Final = {
    "ft": "feet", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz",
    "mph": "mile per hour", "kph": "kilometer per hour", "kmh": "kilometer per hour",
    "mbps": "megabit per second", "gbps": "gigabit per second", "bpm": "beat per minute",
    "rpm": "revolution per minute", "fps": "frame per second", "yo": "year old",
    "y/o": "year old", "psi": "pound per square inch",
}  # fmt: skip
_PER: Final = {
    "d": "day", "day": "day", "week": "week", "wk": "week", "month": "month", "mo": "month",
    "year": "year", "hour": "hour", "minute": "minute", "second": "second", "night": "night",
    "person": "person", "class": "class", "lesson": "lesson", "session": "session",
    "s": "second", "head": "head",
}  # fmt: skip
_COUNTED: Final = (
    "calories", "days", "dollars", "euros", "hours", "lessons", "meters", "miles", "minutes",
    "times", "words",
)  # fmt: skip
_AFTER_COUNTED: Final = "|".join(rf"(?<=\b{name}/)" for name in _COUNTED)
_COMPASS: Final = {"N": "north", "S": "south", "E": "east", "W": "west"}
_SQUARES: Final = {"²": "square", "2": "square", "³": "cubic", "3": "cubic", "sq": "square"}

_NAMES: Final = _REGULAR | _CASED | _FIXED
_UNIT: Final = rf"(?:{any_of(_CASED)}|(?i:{any_of(_REGULAR | _FIXED)}))"
_RATE: Final = rf"(?:{any_of(_PER)}|{_UNIT})"
_AFTER_NUMBER: Final = (
    r"(?:(?<=[\d½¼¾⅓⅔⅛])|(?<=[\d½¼¾⅓⅔⅛]\ )|(?<=[0-9]-)|(?<=thousand\ )|(?<=[mb]illion\ ))"
)

PATTERNS: Final = {
    "unit": rf"""{_AFTER_NUMBER}(?P<square>sq\.?\ )?(?P<name>{_UNIT})
                (?P<unit_power>[²³]|(?<=m)[23](?!\d))?
                (?:/(?P<per>{_RATE})(?P<per_power>[²³])?)?(?!\w|'\w|\#)""",
    # Without a number: "how many km".
    "bare_unit": r"(?<![\w.'/])(?P<bare>kgs?|kms?|cm|ml|lbs|mph|kWh|km/h)(?![\w'/])",
    # Not the decade in "the 10s".
    "short_seconds": r"(?<=[0-9]\ )s\b(?!')",
    "short_inches": r"""(?:(?<=[0-9])|(?<=ft\ [0-9]\ )|(?<=ft\ [0-9]{2}\ ))in\b
                |(?<=[0-9]\ )in\.(?=\ [a-z])
                |(?<=[0-9])"(?=\ (?i:pizzas?|screens?|tvs?|monitors?|laptops?|displays?
                    |tablets?|rulers?|wheels?|pipes?)\b)""",
    "height": r"""(?<![\w.'])(?P<feet>[1-9])(?:'\ ?|ft(?=[0-9]))(?P<inches>1[01]|[0-9])
                (?:["\u201d]|''|(?![\w']))""",
    "rate": rf"/(?:(?<=[0-9$€£¥¢]/)|(?<=[0-9]x/)|{_AFTER_COUNTED})(?P<rate_unit>{_RATE})\b",
    "arc": r"""(?:(?<=°[0-9])|(?<=°[0-9]{2})|(?<=°\ [0-9]{2}))'
                |(?:(?<='[0-9])|(?<='[0-9]{2})|(?<='\ [0-9]{2}))"(?=\ ?[NSEW]\b)""",
    "compass": r"""(?:(?<=°)|(?<=°\ )|(?<=[0-9]['"])|(?<=[0-9]['"]\ ))[NSEW]\b""",
}


def spoken_unit(match: re.Match[str], number: str) -> tuple[str, ...]:
    """Say a unit in full, in the plural unless `number`, as written before it, is 1."""
    said = _name(match["name"], is_one=_is_one(match, number))
    if power := match["unit_power"] or (match["square"] and "sq"):
        said = f"{_SQUARES[power]} {said}"
    if match["per"]:
        said += f" per {_per(match['per'], match['per_power'])}"
    return tuple(said.split())


def spoken_bare_unit(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say a unit that follows no number, in the plural unless it is "per" or "a" unit."""
    is_one = before.lower() in {"a", "per", "one", "each", "every"}
    name, _, per = match["bare"].partition("/")
    said = _name(name, is_one=is_one)
    return tuple(f"{said} per {_per(per, None)}".split() if per else said.split())


def spoken_seconds(match: re.Match[str], number: str) -> tuple[str, ...]:
    """Say "seconds" for "s"."""
    return ("second",) if _is_one(match, number) else ("seconds",)


def spoken_inches(match: re.Match[str], number: str) -> tuple[str, ...]:
    """Say "inches" for "in"; "inch" before a noun, as in 12" pizza."""
    return ("inch",) if match[0] == '"' or _is_one(match, number) else ("inches",)


def spoken_height(match: re.Match[str]) -> tuple[str, ...]:
    """Say "five foot ten"."""
    said = f"{cardinal(int(match['feet']))} foot"
    return tuple(f"{said} {cardinal(int(match['inches']))}".split())


def spoken_rate(match: re.Match[str]) -> tuple[str, ...]:
    """Say "per hour"."""
    return ("per", *_per(match["rate_unit"], None).split())


def spoken_arc(match: re.Match[str]) -> tuple[str, ...]:
    """Say the minutes or seconds of a geographical coordinate."""
    return ("minutes",) if match[0] == "'" else ("seconds",)


def spoken_compass(match: re.Match[str]) -> tuple[str, ...]:
    """Say the direction of a geographical coordinate."""
    return (_COMPASS[match[0]],)


def _is_one(match: re.Match[str], number: str) -> bool:
    """Return whether the singular is right: after 1, ½ and, as in "a 10-km race", a hyphen."""
    is_part = len(number) == 1 and not number.isascii() and not number.isdigit()
    start = match.start() - len(number.rstrip()) - 1
    follows_number = match.string[max(start, 0) : max(start + 1, 0)].isdigit()
    is_hyphened = match.string[match.start() - 1] == "-"
    is_fraction = "/" in number and " " not in number
    return number == "1" or is_hyphened or is_fraction or (is_part and not follows_number)


def _per(written: str, power: str | None) -> str:
    name = _PER.get(written) or _name(written, is_one=True)
    if not power:
        return name
    return f"{name} squared" if name == "second" else f"{_SQUARES[power]} {name}"


def _name(written: str, *, is_one: bool) -> str:
    name = _NAMES.get(written) or _NAMES[written.lower()]
    if name == "feet":
        return "foot" if is_one else name
    if is_one or name.endswith("hertz"):
        return name
    first, space, rest = name.partition(" ") if written.lower() in _FIXED else (name, "", "")
    return f"{first}s{space}{rest}"
