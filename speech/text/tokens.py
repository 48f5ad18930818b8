"""Find words, numbers and symbols in a text, and how each is said.

One pattern finds them all from left to right; its first matching alternative wins. All
repetitions are bounded, so the work per character is bounded for any text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from speech.text import (
    abbreviations,
    addresses,
    capitals,
    dates,
    lexicon,
    money,
    notation,
    roman,
    symbols,
    times,
    units,
)
from speech.text.capitals import spoken_capitals, spoken_letters
from speech.text.letter_to_sound import spell
from speech.text.numbers import NUMBER, PRICE_RANGE, spoken_number, spoken_price_range
from speech.text.plain import plain

# Length of the longest word in English dictionaries; anything longer is a typing error.
_MAX_LETTERS: Final = 45

# Letters that do not decompose into an ASCII letter and a mark.
_LATIN: Final = str.maketrans({
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l",
    "ħ": "h", "ŧ": "t", "ŋ": "ng",
    "ẞ": "SS", "Æ": "Ae", "Œ": "Oe", "Ø": "O", "Đ": "D", "Ð": "D", "Þ": "Th", "Ł": "L",
    "Ħ": "H", "Ŧ": "T", "Ŋ": "Ng",
})  # fmt: skip

# Powers, fractions and circled numbers, which `re` counts as letters.
_NUMERIC: Final = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2189"
    "\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
)
_LETTER: Final = rf"[^\W\d_{_NUMERIC}]"
_MARK: Final = "[\u0300-\u036f]"
# Apostrophes are kept inside a word, and before or after it where they replace letters. Hyphens
# separate words, so that feedback can refer to each half.
_WORD: Final = rf"""
    (?:(?<![\w'])'(?=(?i:cause|em|til|bout|tis|twas|round|n|cuz|course)\b(?!')))?
    {_LETTER}(?:{_LETTER}|{_MARK}){{0,4096}}
    (?:(?!'n'[a-z])'(?:{_LETTER}|{_MARK}){{1,64}}){{0,4}}
    (?:(?<=[iI][nN])'(?!\w))?
"""
# The dictionary lists them with the phones of the full word.
_SHORT_FORMS: Final = frozenset({"corp", "etc", "inc"})

_PATTERNS: Final = {
    **addresses.PATTERNS,
    "ornament": rf"""
        </?[a-zA-Z]{{1,9}}\ ?/?>|{notation.ASIDE}
        |(?<!\w)(?:[:;=]['-]?[DPpOoSs30)(\]\[/\\|]{{1,9}}|[xX]D{{1,9}}|</?3{{1,9}}|T_T)(?!\w)
        |\^[_.oO-]?\^|(?<=[\w%)])'s\b
    """,
    **notation.PATTERNS,
    **abbreviations.PATTERNS,
    "letters": rf"(?<![\w.])(?:[a-zA-Z]\.){{2,8}}(?:[a-zA-Z](?!{_LETTER}|'))?",
    "height": units.PATTERNS["height"],
    **times.PATTERNS,
    **dates.PATTERNS,
    **{kind: symbols.PATTERNS[kind] for kind in ("dash", "grade", "power", "symbol")},
    "rate": units.PATTERNS["rate"],
    "split_price": money.SPLIT,
    "price_range": PRICE_RANGE,
    "number": NUMBER.pattern,
    **{kind: symbols.PATTERNS[kind] for kind in ("approximately", "currency_sign", "vulgar")},
    **dates.NAMES,
    "meridiem": times.MERIDIEM,
    **{
        kind: units.PATTERNS[kind]
        for kind in ("unit", "bare_unit", "short_seconds", "short_inches", "arc", "compass")
    },
    **{kind: symbols.PATTERNS[kind] for kind in ("greek", "unknown")},
    "century": roman.CENTURY,
    "letter_a": capitals.LETTER_A,
    "word": _WORD,
}
TOKEN: Final = re.compile(
    "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()), re.VERBOSE
)


class Token(NamedTuple):
    """A piece of text and how it is said.

    Attributes:
        start: First code point in the text.
        end: One past the last code point.
        spoken: Lower-case ASCII words; empty if it is not said in English.
        is_foreign: Whether it is a word in another script.
        is_plain: Whether it is an ordinary word, read as written.
    """

    start: int
    end: int
    spoken: tuple[str, ...]
    is_foreign: bool = False
    is_plain: bool = False


_Reader = Callable[[re.Match[str], str], tuple[str, ...]]


def _alone(reader: Callable[[re.Match[str]], tuple[str, ...]]) -> _Reader:
    """Read without the previous token."""
    return lambda match, _before: reader(match)


# Arguments: the match, and the previous token as written if at most spaces separate the two.
_READERS: Final[dict[str, _Reader]] = {
    "link": lambda _match, _before: (),  # pasted, never said
    "address": lambda match, _before: addresses.spoken_address(_folded(match[0])),
    "handle": lambda match, _before: addresses.spoken_handle(match[0]),
    "hashtag": lambda match, _before: addresses.spoken_hashtag(_unaccented(match[0])),
    "shortcut": _alone(notation.spoken_shortcut),
    "chord": _alone(notation.spoken_chord),
    "short": _alone(abbreviations.spoken_short),
    "numbered": _alone(abbreviations.spoken_numbered),
    "letters": lambda match, _before: spoken_letters(match[0].replace(".", "")),
    "height": _alone(units.spoken_height),
    "clock": _alone(times.spoken_clock),
    "other_clock": _alone(times.spoken_other_clock),
    "duration": _alone(times.spoken_duration),
    "ratio": _alone(times.spoken_ratio),
    "phone_number": _alone(times.spoken_telephone),
    "date": dates.spoken_date,
    "day_of_month": dates.spoken_day,
    "mixed": _alone(dates.spoken_mixed),
    "mark": _alone(dates.spoken_mark),
    "slash": dates.spoken_slash,
    "dash": symbols.spoken_dash,
    "grade": lambda _match, _before: ("minus",),
    "power": _alone(symbols.spoken_power),
    "symbol": _alone(symbols.spoken_symbol),
    "rate": _alone(units.spoken_rate),
    "split_price": _alone(money.spoken_split),
    "price_range": spoken_price_range,
    "number": lambda match, before: spoken_number(
        match, before, is_day=dates.is_day(match, before)
    ),
    "approximately": symbols.spoken_approximately,
    "currency_sign": symbols.spoken_currency_sign,
    "vulgar": symbols.spoken_vulgar,
    "month": _alone(dates.spoken_month),
    "weekday": _alone(dates.spoken_weekday),
    "meridiem": _alone(times.spoken_meridiem),
    "unit": units.spoken_unit,
    "bare_unit": units.spoken_bare_unit,
    "short_seconds": units.spoken_seconds,
    "short_inches": units.spoken_inches,
    "arc": _alone(units.spoken_arc),
    "compass": _alone(units.spoken_compass),
    "greek": _alone(symbols.spoken_greek),
    "unknown": lambda _match, _before: (),
    "century": _alone(roman.spoken_century),
    "letter_a": lambda _match, _before: ("a.",),
}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text in order, without emoticons, emoji and markup."""
    simple = plain(text)
    shouted = capitals.is_shouted(simple.text)
    before, before_end = "", 0
    for match in TOKEN.finditer(simple.text):
        kind = str(match.lastgroup)
        if kind == "ornament":
            continue
        if simple.text[before_end : match.start()].strip(" "):
            before = ""
        start, end = simple.span(match)
        if kind == "word":
            yield _word(match, before, shouted=shouted)._replace(start=start, end=end)
        else:
            yield Token(start, end, _READERS[kind](match, before))
        before, before_end = match[0], match.end()


def _word(match: re.Match[str], before: str, *, shouted: bool) -> Token:
    """Fold to lower-case ASCII; `spoken` is empty if letters of another script remain."""
    written, folded = match[0], _folded(match[0])
    if re.fullmatch(r"[a-z']{1,64}", folded):
        if said := _spoken_by_capitals(match, before, shouted=shouted):
            return Token(*match.span(), said)
        word = _shortened(folded)
        if len(word) <= _MAX_LETTERS:
            return Token(*match.span(), (word,), is_plain=not _is_short_form(word))
    return Token(*match.span(), (), is_foreign=not written.isascii())


def _spoken_by_capitals(match: re.Match[str], before: str, *, shouted: bool) -> tuple[str, ...]:
    """Read initialisms and Roman numerals; empty if this is neither.

    Initialisms have no accents: "ŁÓDŹ" is a word.
    """
    written = match[0]
    if not written.isascii():
        return ()
    if capitals.is_letter(written, before, shouted=shouted):
        return ("a.",)
    if said := roman.spoken_roman(match, before, shouted=shouted):
        return said
    if capitals.is_code(match):
        return spoken_letters(written)
    return () if shouted else spoken_capitals(written, before)


def _is_short_form(word: str) -> bool:
    """Return whether a lower-case word is said in full or letter by letter."""
    if len(word) == 1:
        return False
    has_no_vowel = not re.search("[aeiouy]", word)  # "st", "ltd", "tv"
    is_spelled = word.isalpha() and lexicon.listed(word)[:1] == (spell(word),)  # "usa"
    return has_no_vowel or is_spelled or word in _SHORT_FORMS


def _folded(written: str) -> str:
    """Remove accents and capitals."""
    return _unaccented(written).lower()


def _unaccented(written: str) -> str:
    simple = unicodedata.normalize("NFKD", written).translate(_LATIN)
    return "".join(char for char in simple if unicodedata.category(char) not in {"Mn", "Cf"})


def _shortened(word: str) -> str:
    """Undo drawled spelling: "sooo" is "so", "pleeease" is "please"."""
    if lexicon.listed(word) or not re.search(r"(.)\1\1", word) or roman.is_numeral(word):
        return word
    # Letters are double more often inside a word than at its end.
    single_end = re.sub(r"(.)\1{2,63}$", r"\1", word)
    once, twice = (re.sub(r"(.)\1{2,63}", r"\1" * count, single_end) for count in (1, 2))
    if len(once) == 1:  # "www"
        return word
    return twice if lexicon.listed(twice) else once
