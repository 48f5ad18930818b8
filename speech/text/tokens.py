"""Find words, numbers and symbols in a text, and how each is said.

One pattern finds them all from left to right; its first matching alternative wins. All
repetitions are bounded, so the work per character is bounded for any text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from speech.text import abbreviations, dates, lexicon
from speech.text.capitals import is_shouted, spoken_capitals, spoken_letters
from speech.text.letter_to_sound import spell
from speech.text.numerals import NUMBER, said_whole, spoken_number, words_of
from speech.text.plain import plain

# Length of the longest word in English dictionaries; anything longer is a typing error.
_MAX_LETTERS: Final = 45

# Letters that do not decompose into an ASCII letter and a mark.
_LATIN: Final = str.maketrans({
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l",
    "ħ": "h", "ŧ": "t", "ŋ": "ng",
})  # fmt: skip

# Invisible characters inside words: soft hyphens, joiners, byte-order marks.
_UNSEEN: Final = "\u00ad\u200b-\u200d\u2060\ufe0f\ufeff"
# Powers, fractions and circled numbers, which `re` counts as letters.
_NUMERIC: Final = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2189"
    "\u2460-\u249b\u24ea-\u24ff\u2776-\u2793"
)
_LETTER: Final = rf"[^\W\d_{_NUMERIC}]"
_MARK: Final = f"[\u0300-\u036f{_UNSEEN}]"
# Apostrophes are kept inside a word, and before or after it where they replace letters. Hyphens
# separate words, so that feedback can refer to each half.
_WORD: Final = rf"""
    (?:(?<![\w'])'(?=(?i:cause|em|til|bout|tis|twas|round|n|cuz|course)\b(?!')))?
    {_LETTER}(?:{_LETTER}|{_MARK}){{0,4096}}
    (?:'(?:{_LETTER}|{_MARK}){{1,64}}){{0,4}}
    (?:(?<=[iI][nN])'(?!\w))?
"""
# The dictionary lists them with the phones of the full word.
_SHORT_FORMS: Final = frozenset({"corp", "etc", "inc"})
_TOP_DOMAINS: Final = "com|org|net|edu|gov|io|co|tv|ai|app|dev|info|jp|uk|de|fr|cn|kr"

_PATTERNS: Final = {
    "link": r"(?i:\bhttps?|\bftp)://\S{0,4096}",
    "address": rf"""
        (?<![\w.@-])(?:[\w.+-]{{1,64}}@(?:[\w-]{{1,63}}\.){{1,8}}[a-zA-Z]{{2,24}}
        |(?:[a-zA-Z0-9-]{{1,63}}\.){{1,4}}(?i:{_TOP_DOMAINS})(?:/[\w./-]{{0,128}})?(?<![.-]))(?!\w)
    """,
    "ornament": r"""
        </?[a-zA-Z]{1,9}>|&(?:lt|gt|quot|nbsp);
        |(?<!\w)(?:[:;=]['-]?[DPpOoSs30)(\]\[/\\|]{1,9}|[xX]D{1,9}|</?3{1,9}|T_T)(?!\w)
    """,
    "short": abbreviations.PATTERNS["short"],
    "letters": rf"(?<![\w.])(?:[a-zA-Z]\.){{2,8}}(?:[a-zA-Z](?!{_LETTER}|'))?",
    **dates.PATTERNS,
    **{kind: abbreviations.PATTERNS[kind] for kind in ("dash", "grade", "symbol")},
    "number": NUMBER.pattern,
    **{kind: abbreviations.PATTERNS[kind] for kind in ("vulgar", "month", "meridiem", "unit")},
    "word": _WORD,
}  # fmt: skip
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

# Arguments: the match, and the previous token as written if at most spaces separate the two.
_READERS: Final[dict[str, _Reader]] = {
    "link": lambda _match, _before: (),  # pasted, never said
    "address": lambda match, _before: _spoken_address(match[0]),
    "short": lambda match, _before: abbreviations.spoken_short(match),
    "letters": lambda match, _before: spoken_letters(match[0].replace(".", "")),
    "clock": lambda match, _before: dates.spoken_clock(match),
    "ratio": lambda match, _before: dates.spoken_ratio(match),
    "date": lambda match, _before: dates.spoken_date(match),
    "phone_number": lambda match, _before: dates.spoken_telephone(match),
    "slash": lambda match, _before: dates.spoken_slash(match),
    "dash": lambda match, _before: abbreviations.spoken_dash(match),
    "grade": lambda _match, _before: ("minus",),
    "symbol": lambda match, _before: abbreviations.spoken_symbol(match),
    "number": lambda match, before: spoken_number(match, is_day=_is_month(before)),
    "vulgar": abbreviations.spoken_vulgar,
    "month": lambda match, _before: abbreviations.spoken_month(match),
    "meridiem": lambda match, _before: abbreviations.spoken_meridiem(match),
    "unit": abbreviations.spoken_unit,
}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text in order, without emoticons, emoji and markup."""
    simple = plain(text)
    shouted = is_shouted(simple)
    before, before_end = "", 0
    for match in TOKEN.finditer(simple):
        kind, start, end = str(match.lastgroup), match.start(), match.end()
        if kind == "ornament":
            continue
        if simple[before_end:start].strip(" "):
            before = ""
        if kind == "word":
            yield _word(match, before, shouted=shouted)
        else:
            yield Token(start, end, _READERS[kind](match, before))
        before, before_end = match[0], end


def _is_month(written: str) -> bool:
    """Return whether this is a month: "may" is a verb."""
    name = written.rstrip(".").lower()
    is_name = name in dates.MONTHS or name in abbreviations.MONTHS
    return written[:1].isupper() and is_name


def _word(match: re.Match[str], before: str, *, shouted: bool) -> Token:
    """Fold to lower-case ASCII; `spoken` is empty if letters of another script remain."""
    start, end = match.span()
    folded = _folded(match[0])
    if re.fullmatch(r"[a-z']{1,64}", folded):
        # Initialisms have no accents ("ŁÓDŹ" is a word); NFKC expands "Ⅷ", a single character.
        cased = unicodedata.normalize("NFKC", re.sub(f"[{_UNSEEN}]", "", match[0]))
        if cased.isascii() and not shouted and (said := spoken_capitals(cased, before)):
            return Token(start, end, said)
        word = _shortened(folded)
        if len(word) <= _MAX_LETTERS:
            return Token(start, end, (word,), is_plain=not _is_short_form(word))
    return Token(start, end, (), is_foreign=not match[0].isascii())


def _is_short_form(word: str) -> bool:
    """Return whether a lower-case word is said in full or letter by letter."""
    if len(word) == 1:
        return False
    has_no_vowel = not re.search("[aeiouy]", word)  # "st", "ltd", "tv"
    is_spelled = word.isalpha() and lexicon.listed(word)[:1] == (spell(word),)  # "usa"
    return has_no_vowel or is_spelled or word in _SHORT_FORMS


def _folded(written: str) -> str:
    """Remove accents and capitals; `_LATIN` lists lower-case letters only."""
    simple = unicodedata.normalize("NFKD", written).lower().translate(_LATIN)
    return "".join(char for char in simple if unicodedata.category(char) not in {"Mn", "Cf"})


def _shortened(word: str) -> str:
    """Undo drawled spelling: "sooo" is "so", "pleeease" is "please"."""
    if lexicon.listed(word) or not re.search(r"(.)\1\1", word):
        return word
    # Letters are double more often inside a word than at its end.
    single_end = re.sub(r"(.)\1{2,63}$", r"\1", word)
    once, twice = (re.sub(r"(.)\1{2,63}", r"\1" * count, single_end) for count in (1, 2))
    if len(once) == 1:  # "www"
        return word
    return twice if lexicon.listed(twice) else once


def _spoken_address(written: str) -> tuple[str, ...]:
    """Say an address as people spell it: with "dot", "at" and "slash"."""
    names = {"@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "+": "plus"}
    said: list[str] = []
    for part in re.findall(r"[a-z]{1,45}|[0-9]{1,4}|[@./_+-]", _folded(written)):
        said += words_of(said_whole(part)) if part.isdigit() else names.get(part, part).split()
    return tuple(said)
