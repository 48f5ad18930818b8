# ruff: noqa: RUF001 - Greek letters look like Latin ones
"""Read signs: of arithmetic, between numbers, Greek letters, fractions of one character."""

import re
from typing import Final

from speech.text import money
from speech.text.abbreviations import any_of
from speech.text.numerals import cardinal, words_of

_SYMBOLS: Final = {
    "&": "and", "@": "at", "=": "equals", "==": "equals", "+": "plus",
    "++": "plus plus", "*": "times", "/": "divided by", "x": "by", "%": "percent", ".": "dot",
    "\u00d7": "times", "÷": "divided by", "±": "plus or minus", "√": "the square root of",
    "∞": "infinity", "‰": "per mille", "<": "is less than", ">": "is greater than",
    "≤": "is less than or equal to", "<=": "is less than or equal to",
    "≥": "is greater than or equal to", ">=": "is greater than or equal to",
    "≠": "is not equal to", "!=": "is not equal to", "~": "about", "#": "hash", "♭": "flat",
    "M": "million", "B": "billion", "bn": "billion", "§": "section", "©": "copyright", "★": "stars",
    "+/-": "plus or minus", "№": "number", "No.": "number", "no.": "number",
    "Nr.": "number", "N°": "number", "n°": "number",
}  # fmt: skip
_GREEK: Final = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta",
    "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma", "φ": "phi", "χ": "chi", "ψ": "psi",
    "ω": "omega", "Δ": "delta", "Σ": "sigma", "Ω": "omega", "Γ": "gamma", "Φ": "phi",
}  # fmt: skip
_VULGAR: Final = {
    "½": "a half", "¼": "a quarter", "¾": "three quarters", "⅓": "a third", "⅔": "two thirds",
    "⅕": "a fifth", "⅖": "two fifths", "⅗": "three fifths", "⅘": "four fifths", "⅙": "a sixth",
    "⅚": "five sixths", "⅐": "a seventh", "⅛": "an eighth", "⅜": "three eighths",
    "⅝": "five eighths", "⅞": "seven eighths", "⅑": "a ninth", "⅒": "a tenth",
}  # fmt: skip
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWERS: Final = {"2": "squared", "3": "cubed"}

# A day or a month before a dash.
_NAMED: Final = (
    "Mon", "Tue", "Tues", "Wed", "Thu", "Thur", "Thurs", "Fri", "Sat", "Sun", "Monday", "Tuesday",
    "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Jan", "Feb", "Mar", "Apr", "Jun",
    "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec", "January", "February", "March", "April",
    "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_AFTER_NAMED: Final = "|".join(rf"(?<=\b{name}{dot}-)" for name in _NAMED for dot in ("", r"\."))
_AFTER_NAMED_SPACE: Final = _AFTER_NAMED.replace("-)", r"\ -)")
# What follows the second number if the dash between two is a minus.
_RESULT: Final = re.compile(r"\ ?[0-9]{1,9}\ ?=")
# "2x3=6", and "3x a week".
_TIMES: Final = re.compile(
    r"\ ?[0-9]{1,9}\ ?=|\ (?:an?|per|each|every|more|as|faster|larger)\b|/[a-z]"
)

PATTERNS: Final = {
    "dash": rf"""(?:(?<=[0-9%¢{money.SIGNS}])|(?<=[0-9][a-zA-Z°])|(?<=[0-9][a-zA-Z°][a-zA-Z])
                    |(?<=[0-9]\ [apAP][mM]))
                    [-~\u2014](?=[\#{money.SIGNS}']?\ ?[0-9])
                |(?<=[ap]\.m\.)-(?=[0-9])|(?<=[0-9])-(?=(?:{any_of(_NAMED)})\.?\ [0-9])
                |(?<=[²³]\ )-(?=\ (?:[0-9(]|[a-z]\b))|(?<=[0-9]\ )-(?=\ (?:{any_of(_NAMED)})\b)
                |(?:(?<=[0-9%]\ )|(?<=[0-9][apAP][mM]\ )|(?<=[0-9]\ [apAP][mM]\ )|(?<=[ap]\.m\.\ ))
                    [-\u2014](?=\ [{money.SIGNS}]?\ ?[0-9])
                |(?<=\b[nxyz]\ )-(?=\ [0-9b-hj-z]\b)
                |(?<=\bA)-(?=Z\b)|(?<=\ba)-(?=z\b)|(?<=\b[ABC][12])-(?=[ABC][12]\b)
                |-(?:{_AFTER_NAMED})(?=(?:{any_of(_NAMED)})\b)
                |(?<=\ )-(?=\ (?:{any_of(_NAMED)})\b)(?:{_AFTER_NAMED_SPACE})""",
    "grade": r"(?<=\b[A-D])-(?=[\s.,!?;:]|$)",
    "power": r"""(?<=[\w)])(?:(?:\^|(?<=[0-9])\*\*(?=[0-9]))
                    \(?(?P<plain_power>-?[0-9]{1,3}|[a-z]\b)\)?|[²³](?![⁰¹²³⁴-⁹]))
                |(?:(?<=[0-9)])|(?<=\b[a-z]))(?P<raised>⁻?[⁰²-³¹⁴-⁹]{1,3})""",
    "symbol": rf"""&
                |(?<!\S)@(?=\s|[0-9]|$)
                |[<>!]=|(?<=\w\ )[<>](?=\ (?:[\w-]|\.[0-9]))
                |(?:(?<=[0-9])|(?<=\b[a-z]))[<>](?=[0-9])
                |(?<=[\w)%°{money.SIGNS}]\ )={{1,2}}(?=\ [\w(√{money.SIGNS}-])
                |(?<=[\w)%°{money.SIGNS}])={{1,2}}(?=[\w(√{money.SIGNS}-])
                |(?<=[\w)]\ )\+(?=\ [\w(√])|(?<=\b[A-Z])\+\+|(?<=[A-Z0-9²³])\+(?!\w)|(?<=\w)\+(?=\w)
                |(?<=[0-9])x(?=\ (?:an?|per|each|every|more|as|faster|larger)\b)
                |(?<=[0-9])x(?=/(?:day|week|month|year|wk|mo)\b)
                |(?<=[0-9])(?:x|\*)(?=[0-9])|(?<=[0-9]\ )[*x](?=\ [0-9])
                |(?<=[0-9]\ )/(?=\ [0-9]{{1,9}}\ ?=)|(?<=\w\ )\#(?=\ [a-z]|$)
                |[\u00d7÷±√∞‰≤≥≠№♭]
                |\b(?:(?:[Nn]o|Nr)\.|[Nn]°)(?=\ ?[0-9])|(?<=[0-9])(?:M|bn)\b|(?<=[0-9]\.[0-9])B\b
                |\+/-|[§©](?=\ ?[0-9])|(?<=[0-9])★
                |(?<![\w~])~(?=\ ?[{money.SIGNS}]?[0-9])
                |(?<=\s)%(?=\s|$)|(?<=[{"".join(_VULGAR)}])%
                |(?<![\w.])\.(?=(?i:net|com|org)\b)""",
    "approximately": "≈",
    "currency_sign": money.ALONE,
    "greek": f"(?<![α-ωΑ-Ω])[{''.join(_GREEK)}](?![α-ωΑ-Ω])",
    "vulgar": rf"[{''.join(_VULGAR)}]",
    # Currencies and operators that have no reading here.
    "unknown": rf"""[{money.SIGNS}]{{1,9}}
                |[\u00a4\u20a0-\u20c0\u2200-\u2216\u221b-\u22c4\u22c6-\u22ed]""",
}


def spoken_dash(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say the dash between two numbers, days or months; "minus" in arithmetic."""
    is_algebra = before in {"²", "³"} or (len(before) == 1 and before in "nxyz")
    is_minus = is_algebra or _RESULT.match(match.string, match.end())
    return ("minus",) if is_minus else ("to",)


def spoken_power(match: re.Match[str]) -> tuple[str, ...]:
    """Say "squared", "cubed" or "to the power of ten"."""
    power = (match["plain_power"] or match["raised"] or match[0]).translate(_SUPERSCRIPTS)
    if power in _POWERS:
        return (_POWERS[power],)
    sign = "minus " if power.startswith("-") else ""
    number = power.lstrip("-")
    said = words_of(cardinal(int(number))) if number.isdigit() else (number,)
    return (*f"to the power of {sign}".split(), *said)


def spoken_symbol(match: re.Match[str]) -> tuple[str, ...]:
    """Say a symbol's name; "x" is "times" if a result or a period follows."""
    if match[0] == "x" and _TIMES.match(match.string, match.end()):
        return ("times",)
    return tuple(_SYMBOLS[match[0]].split())


def spoken_approximately(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say "is approximately" between two sides, otherwise "approximately"."""
    return ("is", "approximately") if before else ("approximately",)


def spoken_currency_sign(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say the name of a currency whose sign belongs to no number."""
    return tuple(money.say_alone(match[0], before).split())


def spoken_greek(match: re.Match[str]) -> tuple[str, ...]:
    """Say the name of a Greek letter."""
    return (_GREEK[match[0]],)


def spoken_vulgar(match: re.Match[str], before: str) -> tuple[str, ...]:
    """Say a one-character fraction; after a number it is "and a half"."""
    said = _VULGAR[match[0]]
    return tuple(f"and {said}".split() if before[-1:].isdigit() else said.split())
