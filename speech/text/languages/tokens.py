# ruff: noqa: RUF001 - letters and marks of other scripts look like Latin ones
"""Find words and numbers in a text that is not English, and how each is said.

One pattern finds them all from left to right; its first matching alternative wins. All
repetitions are bounded, so the work per character is bounded for any text. What the pattern leaves
out, such as dates and units, is read by the voice as it is written.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from speech.text import addresses
from speech.text.languages import chinese, counters, japanese, korean, numbers, scripts
from speech.text.plain import Plain, plain
from speech.text.tokens import Token

# Compounds of German and derivations of Turkish have up to eighty; more is a typing error.
_MAX_LETTERS: Final = 100

# Elided words and hyphenated ones are one word: their parts are too short to be timed alone, and
# their voice reads them together ("l'homme", "est-ce"). In Vietnamese a syllable is a word.
_PART: Final = rf"{scripts.LETTER}(?:{scripts.LETTER}|{scripts.MARK}){{0,4096}}"
_WORD: Final = rf"{_PART}(?:['-]{_PART}){{0,8}}"
_WORDS: Final = {
    "vi": _PART,
    "nl": rf"(?:(?<![\w'])'(?=[stnkm]\b(?!')))?{_WORD}",  # "'s morgens", "'t"
}
# What is not said: tags, emoticons, laughter and asides.
_ORNAMENT: Final = r"""
    </?[a-zA-Z]{1,9}\ ?/?>|(?<!\w)(?:[:;=]['-]?[DPpOoSs30)(]{1,9}|[xX]D{1,9}|</?3|T_T)(?!\w)
    |\^[_.oO-]?\^|\([笑泣汗]\)|(?<![a-zA-Z.])w{2,64}(?![\w.])
    |(?P<jamo>[\u1100-\u1112\u1161-\u1175\u3131-\u3163])(?P=jamo){1,64}
"""
_EMAIL: Final = r"(?<![\w.@-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-zA-Z]{2,24}(?!\w)"

# How a run of letters is divided into words, and each of them said.
_SEGMENTERS: Final[dict[str, Callable[[str], Iterator[tuple[int, int, tuple[str, ...]]]]]] = {
    "ja": japanese.words,
    "zh": chinese.words,
}
# The comma of Chinese separates numbers, while the one that it resembles groups digits; the mark of
# Spanish ordinals is no letter.
_APART: Final = str.maketrans("，ª", "、º")
# Numbers that are read together with the counter written after them.
_COUNTED: Final = {"ja": counters.PATTERN, "ko": korean.PATTERN, "zh": chinese.YEAR}
_READERS: Final[dict[str, Callable[[re.Match[str]], tuple[str, ...]]]] = {
    "ja": lambda match: (
        counters.spoken(int(match["counted"].replace(",", "")), match["counter"]),
    ),
    "ko": korean.spoken,
    "zh": chinese.spoken_year,
}
# How the voice that reads Filipino has to see two words that are not spelt as they are said.
_RESPELT: Final = {"fil": {"ng": "nang", "mga": "manga"}}
# Of Devanagari, a joiner shapes letters; marks of direction shape lines. Neither is said.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")


@cache
def _pattern(language: str) -> re.Pattern[str]:
    kinds = {
        "link": addresses.PATTERNS["link"],
        "email": _EMAIL,
        "ornament": _ORNAMENT,
        "date": numbers.DATE,
        "time": numbers.time_pattern(language),
        **({"together": _COUNTED[language]} if language in _COUNTED else {}),
        "number": numbers.pattern(language),
        "word": _WORDS.get(language, _WORD),
    }
    named = "|".join(f"(?P<{kind}>{written})" for kind, written in kinds.items())
    return re.compile(named, re.VERBOSE)


def tokens(text: str, language: str) -> Iterator[Token]:
    """Yield the tokens of a text in order, without emoticons, emoji and markup."""
    found = _found(text, plain(text.translate(_APART)), language)
    return korean.with_endings(found) if language == "ko" else found


def _found(text: str, simple: Plain, language: str) -> Iterator[Token]:
    for match in _pattern(language).finditer(simple.text):
        if match["word"]:
            yield from _words(text, simple, match, language)
        elif match["link"] or match["email"]:  # pasted, never said
            yield Token(*simple.span(match), ())
        elif not match["ornament"]:
            yield Token(*simple.span(match), _said_number(match, language))


def _said_number(match: re.Match[str], language: str) -> tuple[str, ...]:
    if match["date"]:
        return numbers.spoken_date(match, language)
    if match["time"]:
        return numbers.spoken_time(match, language)
    if language in _READERS and match["together"]:
        return _READERS[language](match)
    return numbers.spoken_number(match, language)


def _words(text: str, simple: Plain, match: re.Match[str], language: str) -> Iterator[Token]:
    """Yield one word, or those of a run without spaces; `spoken` is empty for other scripts."""
    start, end = simple.span(match)
    is_own = scripts.is_own(match[0], language)
    if not scripts.is_readable(match[0], language):
        yield Token(start, end, (), is_foreign=not is_own)
    elif language in _SEGMENTERS:
        for first, last, spoken in _SEGMENTERS[language](match[0]):
            place = simple.places[match.start() + first], simple.ends[match.start() + last - 1]
            foreign = not scripts.is_own(match[0][first:last], language)
            yield Token(*place, spoken, is_foreign=foreign, is_plain=True)
    elif len(match[0]) > _MAX_LETTERS:
        yield Token(start, end, ())
    else:
        yield Token(start, end, (_as_said(text[start:end], language),), not is_own, is_plain=True)


def _as_said(written: str, language: str) -> str:
    """Return a word for the voice: composed, without invisible characters, in plain letters."""
    simple = unicodedata.normalize("NFKC", _INVISIBLE.sub("", written)).replace("\u2019", "'")
    return _RESPELT.get(language, {}).get(simple.casefold(), simple)
