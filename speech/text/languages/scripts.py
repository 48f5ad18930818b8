"""Which letters a language is written with."""

import re
from typing import Final

_LATIN: Final = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_CYRILLIC: Final = "\u0400-\u052f"
_DEVANAGARI: Final = "\u0900-\u0963\u0971-\u097f"  # without digits and dandas
HANGUL: Final = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
HAN: Final = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA: Final = "\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe"

# Powers, fractions and circled numbers, which `re` counts as letters.
_NUMERIC: Final = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2189"
    "\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
)
LETTER: Final = rf"[^\W\d_{_NUMERIC}]"
# Accents, the vowel signs of Devanagari, and the voicing marks of kana. The others are those of
# Hebrew, Arabic, Bengali to Sinhala, Thai and Lao, so that their words are found whole.
MARK: Final = (
    "[\u0300-\u036f\u0900-\u0903\u093a-\u093c\u093e-\u094f\u0951-\u0957\u0962\u0963\u3099\u309a"
    "\u0591-\u05c7\u064b-\u065f\u0670\u0981-\u0983\u09bc-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0eff]"
)

_OWN: Final = {
    "ja": HAN + KANA,
    "zh": HAN,
    "ko": HANGUL,
    "hi": _DEVANAGARI,
    "ru": _CYRILLIC,
}
_OWN_LETTER: Final = {language: re.compile(f"[{own}]") for language, own in _OWN.items()}
_LATIN_LETTER: Final = re.compile(f"[{_LATIN}]")
_ANY_LETTER: Final = re.compile(LETTER)
# A character of these scripts is a syllable or more, as long in speech as some letters.
_SYLLABIC: Final = frozenset({"ja", "zh", "ko"})


def is_own(word: str, language: str) -> bool:
    """Return whether a word is written in the language's own script, in part at least."""
    return bool(_OWN_LETTER.get(language, _LATIN_LETTER).search(word))


def is_readable(word: str, language: str) -> bool:
    """Return whether a voice of the language can read a word.

    Every voice reads Latin letters: names of brands stay as they are in any script.
    """
    own = _OWN_LETTER.get(language, _LATIN_LETTER)
    return all(
        own.match(letter) or _LATIN_LETTER.match(letter) for letter in _ANY_LETTER.findall(word)
    )


def weight(word: str, language: str) -> int:
    """Return how much of a text a word is, in letters of an alphabet."""
    return len(word) * (5 if language in _SYLLABIC and is_own(word, language) else 1)
