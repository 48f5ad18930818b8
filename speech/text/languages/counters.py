"""Read Japanese numbers with their counters: "3本" is "サンボン", "20日" is "ハツカ".

Sounds change with the first sound of the counter; irregular readings are listed.
"""

import re
from typing import Final

from speech.text.languages.numerals import said_whole

_READINGS: Final = {
    "年": "ネン", "月": "ガツ", "日": "ニチ", "時": "ジ", "分": "フン", "秒": "ビョウ",
    "時間": "ジカン", "年間": "ネンカン", "週間": "シュウカン",
    "日間": "ニチカン", "分間": "フンカン", "か月": "カゲツ", "ヶ月": "カゲツ", "カ月": "カゲツ",
    "歳": "サイ", "才": "サイ", "人": "ニン", "名": "メイ", "本": "ホン", "枚": "マイ",
    "個": "コ", "匹": "ヒキ", "杯": "ハイ", "冊": "サツ", "台": "ダイ", "回": "カイ",
    "階": "カイ", "度": "ド", "番": "バン", "円": "エン", "つ": "ツ", "点": "テン", "件": "ケン",
    "軒": "ケン", "足": "ソク", "頭": "トウ", "課": "カ", "号": "ゴウ", "倍": "バイ",
    "週": "シュウ",
}  # fmt: skip
_BY_HEART: Final[dict[str, dict[int, str]]] = {
    "人": {1: "ヒトリ", 2: "フタリ", 4: "ヨニン"},
    "日": {
        1: "ツイタチ", 2: "フツカ", 3: "ミッカ", 4: "ヨッカ", 5: "イツカ", 6: "ムイカ", 7: "ナノカ",
        8: "ヨウカ", 9: "ココノカ", 10: "トオカ", 14: "ジュウヨッカ", 20: "ハツカ",
        24: "ニジュウヨッカ",
    },
    "つ": {
        1: "ヒトツ", 2: "フタツ", 3: "ミッツ", 4: "ヨッツ", 5: "イツツ", 6: "ムッツ", 7: "ナナツ",
        8: "ヤッツ", 9: "ココノツ",
    },
    "月": {4: "シガツ", 7: "シチガツ", 9: "クガツ"},
    "歳": {20: "ハタチ"},
    "才": {20: "ハタチ"},
}  # fmt: skip
# Before these, a final four, seven or nine has another reading: "4時" is "ヨジ".
_SHORT_ENDS: Final[dict[str, dict[int, str]]] = {
    "時": {4: "ヨ", 7: "シチ", 9: "ク"},
    "時間": {4: "ヨ", 7: "シチ", 9: "ク"},
    "年": {4: "ヨ"},
    "円": {4: "ヨ"},
}
_ENDS: Final = {4: "ヨン", 7: "ナナ", 9: "キュウ"}

_VOICED: Final = str.maketrans("ハヒフヘホ", "バビブベボ")
_PLOSIVE: Final = str.maketrans("ハヒフヘホ", "パピプペポ")
_DOUBLES: Final[tuple[tuple[str, str], ...]] = (
    ("イチ", "イッ"),
    ("ハチ", "ハッ"),
    ("ジュウ", "ジュッ"),
)
_DOUBLES_BEFORE_K_AND_H: Final[tuple[tuple[str, str], ...]] = (
    ("ロク", "ロッ"),
    ("ヒャク", "ヒャッ"),
)
_VOICED_AFTER_THREE: Final = {"階": "ガイ", "軒": "ゲン", "足": "ゾク"}

_COUNTERS: Final = "|".join(sorted(map(re.escape, _READINGS), key=len, reverse=True))
PATTERN: Final = (
    r"(?<!\d)(?<!\d[.,])(?P<counted>\d{1,3}(?:,\d{3}){1,2}|\d{1,8})"
    rf"(?P<counter>{_COUNTERS})(?!曜|目|々)"
)
_HAN: Final = dict(zip("〇一二三四五六七八九", range(10), strict=True))
_HAN_PLACES: Final = {"十": 10, "百": 100, "千": 1000}


def is_counter(word: str) -> bool:
    """Return whether a number before this word is read together with it."""
    return word in _READINGS


def spoken(number: int, counter: str) -> str:
    """Read a number and its counter, in katakana."""
    if counter in {"年間", "日間", "分間"}:
        return spoken(number, counter[0]) + "カン"
    if number in _BY_HEART.get(counter, {}):
        return _BY_HEART[counter][number]
    said, read = said_whole(str(number), "ja")[0], _READINGS[counter]
    last = number % 10
    if short := _SHORT_ENDS.get(counter, {}).get(last):
        said = said.removesuffix(_ENDS[last]) + short
    if last == 3 and (counter in _VOICED_AFTER_THREE or read[0] in "ハヒホ"):
        return said + _VOICED_AFTER_THREE.get(counter, read.translate(_VOICED))
    if counter == "分" and last in {3, 4}:
        return said + "プン"
    return _joined(said, read)


def _joined(said: str, read: str) -> str:
    """Double the first sound of a counter where the number ends in a stop: "イッポン"."""
    if read[0] not in "カキクケコサシスセソタチツテトハヒフヘホ":
        return said + read
    is_k_or_h = read[0] in "カキクケコハヒフヘホ"
    for end, doubled in _DOUBLES + (_DOUBLES_BEFORE_K_AND_H if is_k_or_h else ()):
        if said.endswith(end):
            return said.removesuffix(end) + doubled + read.translate(_PLOSIVE)
    return said + read


def spoken_time(hour: int, minute: int) -> str:
    """Read a time of day."""
    return spoken(hour, "時") + (spoken(minute, "分") if minute else "")


def value(numeral: str) -> int | None:
    """Return the number of a Chinese numeral below ten thousand: "二十三" is 23."""
    total, digit = 0, 0
    for character in numeral:
        if character in _HAN:
            digit = digit * 10 + _HAN[character]
        elif character in _HAN_PLACES:
            total, digit = total + (digit or 1) * _HAN_PLACES[character], 0
        else:
            return None
    return total + digit if numeral else None
