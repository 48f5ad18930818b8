# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Count syllables from spelling.

English is not among the languages: its spelling says too little, and its dictionary has the phones.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# One match is one syllable. In Japanese the length mark, ン, ッ and small kana add none to the kana
# before, nor does a vowel that lengthens it: "ラーメン" has two, and four morae.
_JAPANESE: Final = (
    "(?<![アカサタナハマヤラワガザダバパァャヮ])ア|(?<![イキシチニヒミリギジヂビピィ])イ"
    "|(?<![ウクスツヌフムユルグズヅブプヴゥュ])ウ|(?<![エケセテネヘメレゲゼデベペェ])エ"
    "|(?<![オコソトノホモヨロヲゴゾドボポォョ])オ|[カ-ヺ](?<![ッンャュョヮヵヶ])"
)
_HAN: Final = "[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af]"
_HANGUL: Final = "[\uac00-\ud7a3]"
_CYRILLIC: Final = "[аеёиоуыэюя]"
# An unstressed i or u beside another vowel is a glide.
_SPANISH: Final = "[iuü]?[aeoáéó](?:[iuy](?![aeoáéóiuíú]))?|[íú]|[iuü]+|y(?![aeouáéóú])"
_ITALIAN: Final = "[iu]?[aeoàèéòó](?:[iu](?![aeoàèéòó]))?|[ìíùú]|[iu]+|y"
# Two syllables at the end of a word that has no accent: "energia", but "história".
_PORTUGUESE: Final = (
    "i(?=[ao][sm]?$)(?<![áéíóúâêô].i)(?<![áéíóúâêô]..i)(?<![áéíóúâêô]...i)|ã[oe]|õe"
    "|[iu]?[aeoáéóâêôãõà]"
    "(?:[iu](?![aeoáéóâêôãõà]|[mnlrz](?![aeoáéóâêôãõàiuh])))?|[íú]|[iuüy]"
)
_FRENCH: Final = "[ïëü]|é|(?:[aeiouàâèêîôùûœæ]|y(?![aeiouàâèêîôùûœæ]))+|y"
_GERMAN: Final = "(?<=[ts])io(?=n)|ie|ei|ai|ay|ey|au|eu|äu|aa|ee|oo|[aeiouäöü]|y(?![aou])"
_DUTCH: Final = (
    "(?<=[ts])io(?=n)|aai|ooi|oei|eeu|ieu|aa|ee|oo|uu|oe|ie|eu|ui|ou|au|ij|ei|[aeiouyéèëïöü]"
)
_INDONESIAN: Final = "[ao]i(?![a-z])|au(?![a-z])|[aeioué]"
_VIETNAMESE: Final = "[aeiouy]+"  # without its marks
_SYLLABLES: Final = {
    language: re.compile(pattern)
    for language, pattern in {
        "ja": _JAPANESE,
        "zh": f"{_HAN}|[aeiouy]+",
        "ko": f"{_HANGUL}|{_HAN}|[aeiouy]+",
        "ru": f"{_CYRILLIC}|[aeiouy]+",
        "vi": _VIETNAMESE,
        "es": _SPANISH,
        "it": _ITALIAN,
        "pt": _PORTUGUESE,
        "fr": _FRENCH,
        "de": _GERMAN,
        "nl": _DUTCH,
        "id": _INDONESIAN,
        "fil": "[aeiouáéíóúàèìòùâêîôû]",
        "tr": "[aeıioöuüâîû]",
    }.items()
}
# Letters that are not said: "quien"; "table" and "seulement". The verb's ending of "parlent" cannot
# be told from that of "content".
_SILENT: Final = {
    "es": re.compile("(?<=[qg])u(?=[eiéí])"),
    "fr": re.compile(
        "(?<=[^aeiouyàâèêîôùûœæé])es?$|(?<=[iuéy])es?$|(?<=[gq])u(?=[eiéèê])"
        "|(?<=[aeiouyéèê][bcdfglmnprstvxz])e(?=ments?$)"
    ),
}

_CONSONANT: Final = "[\u0915-\u0939\u0958-\u095f]\u093c?"
_HINDI: Final = re.compile(
    f"(?P<closed>{_CONSONANT}\u094d)"
    # With a vowel sign or a nasal, or a vowel on its own.
    f"|(?P<open>{_CONSONANT}[\u0901-\u0903\u093e-\u094c\u0962\u0963]|[\u0904-\u0914\u0960\u0961])"
    f"|(?P<bare>{_CONSONANT})|(?P<latin>[aeiouy]+)|(?P<digit>[0-9])"
)


@lru_cache(maxsize=16_384)
def syllables(word: str, language: str) -> int:
    """Count the syllables of a spoken word, at least one.

    Args:
        word: One of `Word.spoken`.
        language: One of the keys of `speech.text.languages.fillers.INTERJECTIONS`.
    """
    written = unicodedata.normalize("NFC", word).replace("İ", "i").casefold()
    if language == "hi":
        return max(1, _hindi(written))
    if language == "vi":
        written = "".join(char for char in unicodedata.normalize("NFD", written) if char.isascii())
    if language in _SILENT:
        written = _SILENT[language].sub("", written)
    # Without a vowel it is spelled: "ddr".
    return len(_SYLLABLES[language].findall(written)) or max(1, len(written))


def _hindi(written: str) -> int:
    """Count vowels, without the inherent ones that are dropped.

    That is at the end of a word, and between a syllable and a written vowel: "करना" is "karna".
    Exceptions depend on morphemes, which this does not know. A digit has two, roughly.
    """
    kinds = ["", *(str(match.lastgroup) for match in _HINDI.finditer(written)), ""]
    count = 0
    for before, kind, after in zip(kinds, kinds[1:], kinds[2:], strict=False):
        is_dropped = kind == "bare" and (
            (before and not after) or (before in {"open", "bare"} and after == "open")
        )
        if kind != "closed" and not is_dropped:
            count += 2 if kind == "digit" else 1
    return count
