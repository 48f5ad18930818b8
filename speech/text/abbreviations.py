"""Expand abbreviations: titles, Latin, units after a number, chat, symbols."""

import re
from collections.abc import Iterable
from typing import Final

# With or without their full stop, in any case. "St.", "Ltd." and "etc." are in cmudict, where the
# alignment chooses between "street" and "saint".
_SHORT: Final = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor", "jr": "junior",
    "sr": "senior", "vs": "versus", "approx": "approximately", "dept": "department",
    "govt": "government", "capt": "captain", "sgt": "sergeant",
    "thx": "thanks", "thnx": "thanks", "pls": "please", "plz": "please", "ppl": "people",
    "btw": "by the way", "idk": "i don't know",
}  # fmt: skip
# Exact spelling only.
_DOTTED: Final = {
    "e.g.": "for example", "i.e.": "that is", "Mt.": "mount", "Ave.": "avenue", "Rd.": "road",
    "Blvd.": "boulevard", "Ph.D.": "p h d", "PhD": "p h d", "w/o": "without", "w/": "with",
    "b/c": "because", "'n'": "and",
}  # fmt: skip
# Only next to a number.
MONTHS: Final = {
    "jan": "january", "feb": "february", "apr": "april", "aug": "august", "sept": "september",
    "sep": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
# Right after a number; plural unless it is 1.
_UNITS: Final = {
    "kg": "kilogram", "g": "gram", "mg": "milligram", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter",
    "l": "liter", "ml": "milliliter", "min": "minute", "mins": "minute",
    "hr": "hour", "hrs": "hour", "yr": "year", "yrs": "year", "h": "hour",
    "sec": "second", "secs": "second", "ms": "millisecond",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte",
    "w": "watt", "kw": "kilowatt",
}  # fmt: skip
# Units without a plural form.
_FIXED_UNITS: Final = {
    "ft": "feet", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz",
    "mph": "miles per hour", "kph": "kilometers per hour", "km/h": "kilometers per hour",
    "m/s": "meters per second",
}  # fmt: skip
# Units only in lower case: "5G" and "5M followers" are not units.
_CASED: Final = frozenset({"g", "m", "h"})
_SYMBOLS: Final = {
    "&": "and", "&amp;": "and", "@": "at", "=": "equals", "+": "plus", "++": "plus plus",
    "\u00d7": "times", "*": "times", "÷": "divided by", "x": "by", "No.": "number", "no.": "number",
    "№": "number", "M": "million", "²": "squared", "³": "cubed",
}  # fmt: skip
_VULGAR: Final = {
    "½": "a half", "¼": "a quarter", "¾": "three quarters", "⅓": "a third", "⅔": "two thirds",
    "⅕": "a fifth", "⅖": "two fifths", "⅗": "three fifths", "⅘": "four fifths", "⅙": "a sixth",
    "⅚": "five sixths", "⅐": "a seventh", "⅛": "an eighth", "⅜": "three eighths",
    "⅝": "five eighths", "⅞": "seven eighths", "⅑": "a ninth", "⅒": "a tenth",
}  # fmt: skip


def _any_of(words: Iterable[str]) -> str:
    """Match one of them, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _units() -> str:
    return f"(?:{_any_of(_CASED)}|(?i:{_any_of((_UNITS.keys() | _FIXED_UNITS) - _CASED)}))"


PATTERNS: Final = {
    "short": rf"""(?<![\w.'])(?:(?i:{_any_of(_SHORT)})\b\.?
                  |(?:{_any_of(_DOTTED)})(?:(?<=[./])|(?!\w)))""",
    "month": rf"""\b(?:(?i:{_any_of(MONTHS)})\b\.?(?=\ [0-9])
                  |(?:(?<=[0-9]\ )|(?<=(?:st|nd|rd|th)\ ))(?i:{_any_of(MONTHS)})\b\.?)""",
    # "10 am": not the verb.
    "meridiem": r"(?:(?<=[0-9])|(?<=[0-9]\ ))(?i:[ap]m)\b",
    "unit": rf"(?:(?<=[0-9])|(?<=[0-9]\ )){_units()}(?P<power>[²³]?)(?!\w|'\w)",
    "vulgar": rf"[{''.join(_VULGAR)}]",
    # "to" between two numbers, "minus" if an equals sign follows.
    "dash": r"""(?:(?<=[0-9%])|(?<=[0-9][ap]m))-(?=[$€£¥₩₹]?[0-9])
                |(?<=[0-9]\ )-(?=\ [0-9]{1,9}(?P<result>\ ?=)?)""",
    "grade": r"(?<=\b[A-D])-(?=[\s.,!?;:]|$)",
    "symbol": r"""&(?:amp;)?
                |(?<!\S)@(?=\s|[0-9]|$)
                |(?<=\ )=(?=\ )|(?<=[0-9])=(?=[0-9])
                |(?<=\w\ )\+(?=\ \w)|(?<=\b[A-Z])\+\+?(?!\w)|(?<=[0-9])\+
                |(?<=[0-9])(?:x|\*)(?=[0-9])|(?<=[0-9]\ )\*(?=\ [0-9])|[\u00d7÷№]
                |\b[Nn]o\.(?=\ ?[0-9])|(?<=[0-9])M\b|(?<=[\w)])[²³]""",
}


def spoken_short(match: re.Match[str]) -> tuple[str, ...]:
    """Say a title, a Latin abbreviation or a shortcut of chats in full."""
    written = match[0]
    said = _DOTTED.get(written) or _SHORT[written.rstrip(".").lower()]
    return tuple(said.split())


def spoken_month(match: re.Match[str]) -> tuple[str, ...]:
    """Say a month in full."""
    return (MONTHS[match[0].rstrip(".").lower()],)


def spoken_meridiem(match: re.Match[str]) -> tuple[str, ...]:
    """Say the letters of a.m. or p.m."""
    return ("a." if match[0][0] in "aA" else "p", "m")


def spoken_unit(match: re.Match[str], number: str) -> tuple[str, ...]:
    """Say a unit in full, in the plural unless `number`, as written before it, is 1."""
    written = match[0].rstrip("²³").lower()
    power = {"²": "square ", "³": "cubic ", "": ""}[match["power"]]
    if written in _FIXED_UNITS:
        said = _FIXED_UNITS[written]
    else:
        said = _UNITS[written] + ("" if number == "1" else "s")
    return tuple((power + said).split())


def spoken_vulgar(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say a one-character fraction; after a number it is "and a half"."""
    said = _VULGAR[match[0]]
    return tuple(f"and {said}".split() if before[-1:].isdigit() else said.split())


def spoken_dash(match: re.Match[str]) -> tuple[str, ...]:
    """Say the dash between two numbers."""
    return ("minus",) if match["result"] else ("to",)


def spoken_symbol(match: re.Match[str]) -> tuple[str, ...]:
    """Say a symbol's name."""
    return tuple(_SYMBOLS[match[0]].split())
