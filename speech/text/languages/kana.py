"""Write readings as a Japanese voice says them, and Latin letters in kana."""

import re
import unicodedata
from typing import Final

_HIRAGANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}
# Vowels of a row of kana; a vowel letter after it that only lengthens it becomes the length mark.
_O_ROW: Final = "オコソトノホモヨロヲゴゾドボポョォ"
_E_ROW: Final = "エケセテネヘメレゲゼデベペェ"
_U_ROW: Final = "ウクスツヌフムユルグズヅブプュゥ"
_LONG: Final = re.compile(rf"(?<=[{_O_ROW}{_U_ROW}])ウ|(?<=[{_E_ROW}])イ")

_LETTERS: Final = {
    "a": "エー", "b": "ビー", "c": "シー", "d": "ディー", "e": "イー", "f": "エフ", "g": "ジー",
    "h": "エイチ", "i": "アイ", "j": "ジェー", "k": "ケー", "l": "エル", "m": "エム", "n": "エヌ",
    "o": "オー", "p": "ピー", "q": "キュー", "r": "アール", "s": "エス", "t": "ティー", "u": "ユー",
    "v": "ブイ", "w": "ダブリュー", "x": "エックス", "y": "ワイ", "z": "ゼット",
}  # fmt: skip
_VOWELS: Final = "aiueo"
_ROWS: Final = {
    "": "アイウエオ", "k": "カキクケコ", "s": "サシスセソ", "t": "タチツテト", "n": "ナニヌネノ",
    "h": "ハヒフヘホ", "m": "マミムメモ", "r": "ラリルレロ", "g": "ガギグゲゴ", "z": "ザジズゼゾ",
    "d": "ダヂヅデド", "b": "バビブベボ", "p": "パピプペポ",
}  # fmt: skip
_DIGRAPHS: Final = {
    "f": ("ファ", "フィ", "フ", "フェ", "フォ"), "j": ("ジャ", "ジ", "ジュ", "ジェ", "ジョ"),
    "v": ("ヴァ", "ヴィ", "ヴ", "ヴェ", "ヴォ"), "w": ("ワ", "ウィ", "ウ", "ウェ", "ウォ"),
    "y": ("ヤ", "イ", "ユ", "イェ", "ヨ"), "sh": ("シャ", "シ", "シュ", "シェ", "ショ"),
    "ch": ("チャ", "チ", "チュ", "チェ", "チョ"), "ts": ("ツァ", "ツィ", "ツ", "ツェ", "ツォ"),
    "th": ("サ", "シ", "ス", "セ", "ソ"), "ph": ("ファ", "フィ", "フ", "フェ", "フォ"),
}  # fmt: skip
_SYLLABLES: Final = {
    consonant + vowel: kana
    for consonant, row in {**_ROWS, **_DIGRAPHS}.items()
    for vowel, kana in zip(_VOWELS, row, strict=True)
} | {"n": "ン", "m": "ム", "t": "ト", "d": "ド", "y": "イ"}
_SOUNDS: Final = re.compile(r"(?:sh|ch|ts|th|ph|[bdfghjkmnprstvwyz])?[aiueo]|[sct]h|ts|ph|[a-z]")
_SAME_SOUND: Final = str.maketrans({"c": "k", "q": "k", "l": "r"})
_MAX_INITIALISM: Final = 4


def katakana(reading: str) -> str:
    """Replace hiragana by katakana."""
    return reading.translate(_HIRAGANA)


def lengthened(reading: str) -> str:
    """Write long vowels with the length mark: "トウキョウ" is "トーキョー"."""
    return _LONG.sub("ー", reading)


def from_latin(word: str) -> str:
    """Read a word in Latin letters that no dictionary lists, roughly; initialisms are spelled."""
    letters = "".join(filter(str.isascii, unicodedata.normalize("NFKD", word)))
    if word.isupper() and len(letters) <= _MAX_INITIALISM:
        return "".join(_LETTERS.get(letter, "") for letter in letters.lower())
    sounds = _SOUNDS.findall(letters.lower().replace("x", "ks").translate(_SAME_SOUND))
    return "".join(_SYLLABLES.get(sound) or _SYLLABLES.get(sound + "u", "") for sound in sounds)
