# ruff: noqa: RUF001 - letters and marks of other scripts look like Latin ones
"""Fillers by language: words that speakers say while they search for the next one.

Interjections are fillers wherever they stand. Words that have a meaning as well, such as Chinese
那个 ("that one"), are fillers only where punctuation sets them off or the next word repeats them.

Sources: Belz 2023, "Defining filler particles" (German); Machuca 2022, "An acoustic study on the
use of fillers in Spanish as a foreign language acquisition"; Tian, Maruyama & Ginzburg 2017, "Self
addressed questions and filled pauses" (Chinese, Japanese); the part of speech 感動詞-フィラー of
UniDic, as SudachiDict has it (Japanese); Song, Shim & Oh 2020, "The pattern of use by gender and
age of the discourse markers 'a', 'eo', and 'eum'" (Korean); Zaides, "Hesitative markers eto and eto
samoe", and "On the perception of some Russian hesitation filler words by speakers of other
languages" (Russian). French, Italian, Portuguese, Dutch, Filipino and Turkish follow Wikipedia's
survey, "Filler (linguistics)". None was found for Hindi, Vietnamese and Indonesian: their lists are
common knowledge, unchecked.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

INTERJECTIONS: Final[dict[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "ja": "えー えーと えっと えーっと ええと ええっと えと あー うー うーん んー "
        "あのー あのう そのー まー うーんと んーと",
        "zh": "嗯 呃 唔 額 额 嗯嗯",
        "ko": "음 으음 어 어어 으",
        "hi": "अं उम्म हम्म आँ ऊँ अम्म",
        "ru": "э ээ э-э э-э-э а-а а-а-а эм ммм м-м хм",
        "vi": "ờ ừm ờm ờừ hừm",
        "es": "eh ehm em mmm hmm",
        "fr": "euh heu hum hmm mmm",
        "de": "äh ähm öh öhm hm hmm mhm eh ehm",
        "it": "ehm eh uhm mmm mh",
        "pt": "hã ahn hum hmm ehm eh",
        "nl": "eh ehm uh uhm euh hm hmm",
        "id": "eh em ehm hmm anu",
        "fil": "eh ah ehm uhm hmm",
        "tr": "ee eee ıı ııı hmm ımm",
    }.items()
}
AMBIGUOUS: Final[dict[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "ja": "あの その まあ なんか こう",
        "zh": "那个 那個 这个 這個 那 就是",
        "ko": "아 그 저 저기 뭐 그러니까",
        "hi": "मतलब यानी",
        "ru": "ну вот это значит типа",
        "vi": "à ừ thì",
        "es": "este bueno pues",
        "fr": "ben bah bon",
        "de": "also tja",
        "it": "cioè allora e",
        "pt": "é tipo então",
        "nl": "nou dus",
        "id": "apa ya",
        "fil": "ano kuwan kwan ay",
        "tr": "şey yani",
    }.items()
}

_DRAWL: Final = re.compile(r"(.)\1+")
_SEPARATED: Final = re.compile(r"[^\s'\u2019\"\u201c\u201d]")


def is_interjection(word: str, language: str) -> bool:
    """Return whether a word is a filler wherever it stands, drawled or not: "ähhhm"."""
    return any(form in INTERJECTIONS[language] for form in _forms(word))


def is_known(word: str, language: str) -> bool:
    """Return whether a word can be a filler."""
    known = INTERJECTIONS[language] | AMBIGUOUS[language]
    return any(form in known for form in _forms(word))


def hesitations(text: str, places: Sequence[tuple[int, int]], language: str) -> list[bool]:
    """Return for each word whether it is a filler.

    A text of nothing but words that also have a meaning is an answer: "¿Este?"

    Args:
        text: The text.
        places: Where its words are, `[start, end)`, in order.
        language: One of the keys of `INTERJECTIONS`.
    """
    sure = [is_interjection(text[start:end], language) for start, end in places]
    found = [
        is_sure or _is_set_off(text, places, index, language) for index, is_sure in enumerate(sure)
    ]
    return sure if all(found) else found


def _is_set_off(text: str, places: Sequence[tuple[int, int]], index: int, language: str) -> bool:
    start, end = places[index]
    if not is_known(text[start:end], language):
        return False
    before = text[places[index - 1][1] : start] if index else "."
    is_last = index + 1 == len(places)
    after = text[end:] + "." if is_last else text[end : places[index + 1][0]]
    is_alone = _SEPARATED.search(before) and _SEPARATED.search(after)
    if is_alone or is_last:
        return bool(is_alone)
    following = text[slice(*places[index + 1])]
    return following.casefold() == text[start:end].casefold()


def _forms(word: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFC", word).casefold()
    return plain, _DRAWL.sub(r"\1", plain), _DRAWL.sub(r"\1\1", plain)
