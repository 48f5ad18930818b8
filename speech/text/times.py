"""Read times of day, ratios and telephone numbers: "3:30", "5.30pm", "1:1", "555-0134"."""

import re
from typing import Final

from speech.text.numerals import cardinal, digit_by_digit, two_digits, words_of

_CLOCK: Final = r"""
    (?<![\d:.,])(?P<hours>[01]?[0-9]|2[0-4]):(?P<minutes>[0-5][0-9])(?P<seconds>:[0-5][0-9])?
    (?:\ ?h\b|(?=\ ?(?P<said_after>[ap]\.?m\b|o'clock))|)(?![\d:])
"""
# "5.30pm" and "7h30".
_OTHER_CLOCK: Final = r"""
    (?<![\d:.,])(?:1[0-2]|0?[1-9])\.[0-5][0-9](?=\ ?(?i:[ap]\.?m)\b)
    |(?<![\w:.,])(?:[01]?[0-9]|2[0-4])h[0-5][0-9](?!\w)
"""
_DURATION: Final = r"(?<![\w.])[0-9]{1,2}h\ ?[0-9]{1,2}\ ?m(?:ins?)?\b"
_RATIO: Final = r"""
    (?<![\d:.,])(?P<this>[0-9]{1,4}):(?P<that>[0-9]{1,4})(?![\d:])
    |(?<![\d:.,-])(?:50-50|20-20|(?<!won\ )(?<!lost\ )24-7)(?![\d:.,-]\d|[\d%-])
"""
_TELEPHONE: Final = r"""
    (?<![\d-])(?:
        (?P<toll_free>1-8[0-9]{2}-(?=[A-Z0-9]))(?:[0-9]{3}-[0-9]{4}(?![\d-]))?
        |(?:[0-9]{1,4}-){1,3}[0-9]{3,4}-[0-9]{4}
        |[0-9]{3}-[0-9]{4}|555\ [0-9]{4}(?!\ [0-9])
        |(?:\+?[0-9]{1,3}[-\ ]?)?\([0-9]{2,4}\)[-\ ]?[0-9]{3,4}[-.\ ][0-9]{4}
        |[0-9]{3}\.[0-9]{3}\.[0-9]{4}|[0-9]{3}\ [0-9]{3}\ [0-9]{4}
        |\+[0-9]{1,3}(?:[-.\ ]\(?[0-9]{1,4}\)?){2,5}(?![\d-])
        |\+[0-9]{1,3}[-\ ](?:\([0-9]{1,4}\)\ ?)?[0-9]{1,8}(?:[-\ ][0-9]{2,8}){1,4}
        |[0-9](?:-[0-9]){2,9}|97[89]-[0-9]{1,5}-[0-9]{1,7}-[0-9]{1,7}-[0-9]
        |0[0-9]{1,4}(?:(?:[-\ ][0-9]{2,4}){2,4}|[-\ ][0-9]{5,8})
        |[0-9]{3}-[0-9]{2}-[0-9]{4}
    )(?![\d-])
"""

# Alternatives of the token pattern; the first match wins.
PATTERNS: Final = {
    "clock": _CLOCK,
    "other_clock": _OTHER_CLOCK,
    "duration": _DURATION,
    "ratio": _RATIO,
    "phone_number": _TELEPHONE,
}
# "10 am": not the verb.
MERIDIEM: Final = r"(?:(?<=[0-9])|(?<=[0-9]\ ))(?i:[ap]m)\b"


def spoken_clock(match: re.Match[str]) -> tuple[str, ...]:
    """Say a time of day; "o'clock" unless that, a.m. or p.m. follows."""
    hours, minutes, seconds = int(match["hours"]), match["minutes"], match["seconds"]
    if not hours and minutes == "00" and not seconds:
        return ("midnight",)
    said = [cardinal(hours)]
    if minutes != "00":
        said.append(two_digits(minutes))
    elif not match["said_after"] and not seconds:
        said.append("o'clock" if hours <= 12 else "hundred")
    if seconds:
        said.append(two_digits(seconds[1:]))
    return words_of(" ".join(said))


def spoken_other_clock(match: re.Match[str]) -> tuple[str, ...]:
    """Say a time of day whose minutes follow a full stop or "h"."""
    hours, minutes = re.split("[.h]", match[0])
    said = cardinal(int(hours))
    return words_of(said if minutes == "00" else f"{said} {two_digits(minutes)}")


def spoken_duration(match: re.Match[str]) -> tuple[str, ...]:
    """Say hours and minutes."""
    hours, minutes = map(int, re.findall("[0-9]{1,2}", match[0]))
    said = f"{cardinal(hours)} hour{'s' * (hours != 1)}"
    return words_of(f"{said} {cardinal(minutes)} minute{'s' * (minutes != 1)}")


def spoken_ratio(match: re.Match[str]) -> tuple[str, ...]:
    """Say "three to one"; a 1:1 lesson is "one on one"."""
    if match["this"] is None or match[0] == "50:50":
        return words_of(" ".join(cardinal(int(part)) for part in re.split("[:-]", match[0])))
    this, that = int(match["this"]), int(match["that"])
    between = "on" if this == that == 1 else "to"
    return words_of(f"{cardinal(this)} {between} {cardinal(that)}")


def spoken_telephone(match: re.Match[str]) -> tuple[str, ...]:
    """Say a telephone number digit by digit, except "one eight hundred"."""
    written, said = match[0], ""
    if written.startswith("+"):
        said = "plus "
    elif match["toll_free"] and match["toll_free"].endswith("00-"):
        said, written = "one eight hundred ", written[len("1-800-") :]
    return words_of(said + digit_by_digit(re.sub("[^0-9]", "", written)))


def spoken_meridiem(match: re.Match[str]) -> tuple[str, ...]:
    """Say the letters of a.m. or p.m."""
    return ("a." if match[0][0] in "aA" else "p", "m")
