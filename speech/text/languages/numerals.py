"""Say whole numbers in each language."""

import re
from functools import lru_cache
from typing import Final

from num2words import num2words

from speech.text.languages.kana import katakana

# Longer numbers are read digit by digit: account numbers.
_MAX_DIGITS: Final = 12
# So are shorter ones that are not round: telephone numbers.
_MIN_TELEPHONE_DIGITS: Final = 9

_HAN_DIGITS: Final = "零一二三四五六七八九"
_HAN_PLACES: Final = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))

_FILIPINO_DIGITS: Final = (
    "sero", "isa", "dalawa", "tatlo", "apat", "lima", "anim", "pito", "walo", "siyam",
)  # fmt: skip
_FILIPINO_TEENS: Final = (
    "sampu", "labing-isa", "labindalawa", "labintatlo", "labing-apat", "labinlima", "labing-anim",
    "labimpito", "labingwalo", "labinsiyam",
)  # fmt: skip
_FILIPINO_TENS: Final = (
    "", "", "dalawampu", "tatlumpu", "apatnapu", "limampu", "animnapu", "pitumpu", "walumpu",
    "siyamnapu",
)  # fmt: skip
_FILIPINO_PLACES: Final = (
    (10**9, "bilyon"), (10**6, "milyon"), (1000, "libo"), (100, "daan"),
)  # fmt: skip

# A voice says the digits of Hindi; its numbers below a hundred have no pattern.
READ_BY_VOICE: Final = frozenset({"hi"})


def said_whole(digits: str, language: str) -> tuple[str, ...]:
    """Say a whole number in words, digit by digit if it is a code."""
    number = int(digits)
    if language in READ_BY_VOICE:
        return (str(number) if len(digits) <= _MAX_DIGITS else " ".join(digits),)
    is_code = len(digits) > _MAX_DIGITS or (len(digits) > 1 and int(digits[0]) == 0)
    if is_code or (len(digits) >= _MIN_TELEPHONE_DIGITS and not digits.endswith("000")):
        return digit_by_digit(digits, language)
    return cardinal(number, language)


def digit_by_digit(digits: str, language: str) -> tuple[str, ...]:
    """Say "cinco cinco" for 55."""
    return tuple(word for digit in digits for word in cardinal(int(digit), language))


@lru_cache(maxsize=4_096)
def cardinal(number: int, language: str) -> tuple[str, ...]:
    """Say a number below a billion billions; the words are those between spaces."""
    if language in READ_BY_VOICE:
        return (str(number),)
    said: str
    if language == "zh":
        return (_chinese(number).removeprefix("一") if 10 <= number < 20 else _chinese(number),)
    if language == "fil":
        return tuple(_filipino(number).split())
    if language == "ja":
        said = num2words(number, lang="ja", reading=True)
        return (katakana(said),)
    said = num2words(number, lang=language)
    return tuple((_vietnamese(said) if language == "vi" else said).split())


def _vietnamese(said: str) -> str:
    """Name the empty hundreds: 2024 is "hai nghìn không trăm hai mươi bốn"."""
    said = re.sub(r"(nghìn|triệu|tỷ) lẻ (?=mười|\S+ mươi)", r"\1 không trăm ", said)
    return re.sub(r"(nghìn|triệu|tỷ) lẻ", r"\1 không trăm lẻ", said)


def _chinese(number: int) -> str:
    """Say 2024 as "二千零二十四", and 112 as "一百一十二"."""
    if number < len(_HAN_DIGITS):
        return _HAN_DIGITS[number]
    place, name = next(pair for pair in _HAN_PLACES if number >= pair[0])
    count, rest = divmod(number, place)
    said = _chinese(count) + name
    if not rest:
        return said
    return said + ("零" if rest < place // 10 else "") + _chinese(rest)


def _filipino(number: int) -> str:
    if number < 20:
        return _FILIPINO_DIGITS[number] if number < 10 else _FILIPINO_TEENS[number - 10]
    if number < 100:
        tens, digit = divmod(number, 10)
        return _FILIPINO_TENS[tens] + (f"'t {_FILIPINO_DIGITS[digit]}" if digit else "")
    place, name = next(pair for pair in _FILIPINO_PLACES if number >= pair[0])
    count, rest = divmod(number, place)
    said = f"{_linked(_filipino(count))} {name}"
    return f"{said} {_filipino(rest)}" if rest else said


def _linked(number: str) -> str:
    """Join a number to what it counts: "isang", "anim na"."""
    return f"{number}ng" if number[-1] in "aeiou" else f"{number} na"
