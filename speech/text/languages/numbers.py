"""Find numbers, percentages, amounts of money and times of day, and say them.

Anything else with digits is left to the voice, number by number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from speech.text.languages import counters
from speech.text.languages.numerals import READ_BY_VOICE, digit_by_digit, said_whole


@dataclass(frozen=True, slots=True)
class _Style:
    """How a language writes and says numbers.

    Attributes:
        groups: What separates thousands; the other one of "." and "," is the decimal mark.
        point: The decimal mark as said.
        percent: How a percentage is said.
        time: How hours and minutes are said.
        money: Names of currencies by sign: for one, for several; Russian has a third for 5 to 20.
    """

    groups: str
    point: str
    percent: str = ""
    time: str = "{hour} {minute}"
    money: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_STYLES: Final = {
    "ja": _Style(
        ",", "テン", "{} パーセント", "",
        {"$": ("ドル",), "€": ("ユーロ",), "£": ("ポンド",), "¥": ("エン",)},
    ),
    "zh": _Style(
        ",", "点", "百分之{}", "{hour}点{minute}分",
        {"$": ("美元",), "€": ("欧元",), "£": ("英镑",), "¥": ("元",)},
    ),
    "ko": _Style(
        ",", "점", "{} 퍼센트", "{hour} 시 {minute} 분",
        {"$": ("달러",), "€": ("유로",), "£": ("파운드",), "¥": ("엔",), "₩": ("원",)},
    ),
    "hi": _Style(
        ",", "दशमलव", "{} प्रतिशत", "{hour} बजकर {minute} मिनट",
        {"$": ("डॉलर",), "€": ("यूरो",), "£": ("पाउंड",), "₹": ("रुपया", "रुपये")},
    ),
    "ru": _Style(
        ". ", "запятая", "{} процентов", "{hour} {minute}",
        {
            "$": ("доллар", "доллара", "долларов"), "€": ("евро",),
            "£": ("фунт", "фунта", "фунтов"), "₽": ("рубль", "рубля", "рублей"),
        },
    ),
    "vi": _Style(
        ".", "phẩy", "{} phần trăm", "{hour} giờ {minute}",
        {"$": ("đô la",), "€": ("ơ rô",), "£": ("bảng",), "₫": ("đồng",)},
    ),
    "es": _Style(
        ".", "coma", "{} por ciento", "{hour} y {minute}",
        {
            "$": ("dólar", "dólares"), "€": ("euro", "euros"), "£": ("libra", "libras"),
            "¥": ("yen", "yenes"),
        },
    ),
    "fr": _Style(
        ". ", "virgule", "{} pour cent", "{hour} heures {minute}",
        {
            "$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("livre", "livres"),
            "¥": ("yen", "yens"),
        },
    ),
    "de": _Style(
        ".", "Komma", "{} Prozent", "{hour} Uhr {minute}",
        {"$": ("Dollar",), "€": ("Euro",), "£": ("Pfund",), "¥": ("Yen",)},
    ),
    "it": _Style(
        ".", "virgola", "{} per cento", "{hour} e {minute}",
        {
            "$": ("dollaro", "dollari"), "€": ("euro",), "£": ("sterlina", "sterline"),
            "¥": ("yen",),
        },
    ),
    "pt": _Style(
        ".", "vírgula", "{} por cento", "{hour} e {minute}",
        {
            "R$": ("real", "reais"), "$": ("dólar", "dólares"), "€": ("euro", "euros"),
            "£": ("libra", "libras"),
        },
    ),
    "nl": _Style(
        ".", "komma", "{} procent", "{hour} uur {minute}",
        {"$": ("dollar",), "€": ("euro",), "£": ("pond",), "¥": ("yen",)},
    ),
    "id": _Style(
        ".", "koma", "{} persen", "{hour} {minute}",
        {"$": ("dolar",), "€": ("euro",), "£": ("pound",), "Rp": ("rupiah",)},
    ),
    "fil": _Style(
        ",", "punto", "{} porsiyento", "{hour} {minute}",
        {"$": ("dolar",), "€": ("euro",), "₱": ("piso",)},
    ),
    "tr": _Style(
        ".", "virgül", "yüzde {}", "{hour} {minute}",
        {"$": ("dolar",), "€": ("avro",), "£": ("sterlin",), "₺": ("lira",)},
    ),
}  # fmt: skip

# Dates and versions: their numbers are said one after the other.
DATE: Final = (
    r"(?<!\d)(?!\d{1,3}(?:\.\d{3})+(?![\d.]))\d{1,4}(?:\.\d{1,4}){2,4}(?!\d)"
    r"|(?<!\d)\d{1,4}(?:[/-]\d{1,4}){2}(?![\d/-])"
)
# Where a point does not mark decimals it is usual in times: "pukul 15.30".
_POINTED_TIMES: Final = frozenset({"id", "tr"})
_FEW, _MANY = range(2, 5), range(11, 15)


def time_pattern(language: str) -> str:
    """Return the pattern of a time of day, with the word for "o'clock" that follows it."""
    marks = "[:h.]" if language in _POINTED_TIMES else "[:h]"
    return rf"""
        (?<![\d:])(?<!\d[.,])(?P<hour>[01]?\d|2[0-4]){marks}(?P<minute>[0-5]\d)(?![\d:]|[.,]\d)
        (?:\ (?:Uhr|uur)\b)?
    """


def pattern(language: str) -> str:
    """Return the pattern of a number with its signs; it begins and ends with one or a digit."""
    style = _STYLES[language]
    groups = "[" + "".join(map(re.escape, style.groups)) + "]"
    signs = "|".join(map(re.escape, style.money))
    return rf"""
        (?:(?P<before>{signs})\ ?|(?P<early_percent>%\ ?)(?=\d))?
        (?P<whole>(?<!\d)\d{{1,3}}(?:{groups}\d{{2,3}}){{0,4}}{groups}\d{{3}}(?!\d)|\d{{1,64}})
        (?:[.,](?P<fraction>\d{{1,32}})(?![\d]|[.,:]\d))?
        (?:\ ?(?P<percent>%)|\ ?(?P<after>{signs}))?
    """


def spoken_date(match: re.Match[str], language: str) -> tuple[str, ...]:
    """Say the numbers of "3.5.2024", and the digits of "0120-333-444"."""
    numbers = re.findall(r"\d+", match[0])
    if "-" in match[0] and int(match[0][0]) == 0:
        return _split(_joined(digit_by_digit("".join(numbers), language)), language)
    parts = (said_whole(str(int(number)), language) for number in numbers)
    return _split(" ".join(map(_joined, parts)), language)


def spoken_time(match: re.Match[str], language: str) -> tuple[str, ...]:
    """Say "drei Uhr fünf" for 3:05; the minutes of a full hour are not said."""
    if language == "ja":
        return (counters.spoken_time(int(match["hour"]), int(match["minute"])),)
    style = _STYLES[language]
    hour, minute = (_joined(said_whole(str(int(match[it])), language)) for it in ("hour", "minute"))
    if int(match["minute"]):
        return _split(style.time.format(hour=hour, minute=minute), language)
    full_hour, _, _ = style.time.partition("{minute}")
    return _split(full_hour.format(hour=hour).removesuffix(" y ").removesuffix(" e "), language)


def spoken_number(match: re.Match[str], language: str) -> tuple[str, ...]:
    """Say a number with its decimals, and then its percent or currency."""
    style = _STYLES[language]
    digits = "".join(filter(str.isdecimal, match["whole"]))
    said = _joined(_with_fraction(digits, match["fraction"], language))
    if match["percent"] or match["early_percent"]:
        said = style.percent.format(said)
    if sign := match["before"] or match["after"]:
        said = f"{said} {_form(style.money[sign], int(digits))}"
    return _split(said, language)


def _with_fraction(digits: str, fraction: str | None, language: str) -> tuple[str, ...]:
    if not fraction:
        return said_whole(digits, language)
    if language in READ_BY_VOICE:
        return (f"{int(digits)}.{fraction}",)
    point = _STYLES[language].point
    return (*said_whole(digits, language), point, *digit_by_digit(fraction, language))


def _form(names: tuple[str, ...], count: int) -> str:
    """Return the form of a noun after a number: 21 is followed by the singular in Russian."""
    if len(names) <= 2:
        return names[0] if count == 1 else names[-1]
    if count % 100 in _MANY:
        return names[2]
    return names[0] if count % 10 == 1 else names[1] if count % 10 in _FEW else names[2]


def _joined(words: tuple[str, ...]) -> str:
    return " ".join(words)


def _split(said: str, language: str) -> tuple[str, ...]:
    """Divide at spaces; Chinese and Japanese have none."""
    words = said.split()
    return ("".join(words),) if language in {"ja", "zh"} else tuple(words)
