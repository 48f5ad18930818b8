"""The message's text as words to align, each with its place in the text as written.

Offsets are code points into the original text: `text[word.char_start:word.char_end]` is the
word as written. What is aligned is `word.spoken`, in lower-case ASCII: "1999" is one word as
written and three as spoken.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from speech.errors import EmptyTranscript, UnsupportedScript
from speech.text.numerals import NUMBER, spoken_number

FILLERS: Final = frozenset({
    "ah", "eh", "em", "er", "erm", "hm", "hmm", "huh", "mhm", "mm", "mmm", "uh", "uhm", "um",
    "umm",
})  # fmt: skip

# Doubled to stress something or because that is how it is said, not while searching for words.
_DOUBLED_ON_PURPOSE: Final = frozenset({
    "all", "bye", "come", "far", "go", "had", "ha", "hello", "hey", "hi", "long", "many", "more",
    "much", "no", "now", "okay", "please", "really", "right", "so", "stop", "that", "there",
    "very", "wait", "well", "what", "where", "why", "yes", "zero", "one", "two", "three", "four",
    "five", "six", "seven", "eight", "nine", "ten", "hundred",
})  # fmt: skip

# A word: letters with their combining marks, apostrophes only inside. Hyphens part words, so
# that each half can be pointed at.
_APOSTROPHES: Final = "'\u2019\u02bc\uff07"
_WORD: Final = re.compile(
    rf"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*(?:[{_APOSTROPHES}](?:[^\W\d_]|[\u0300-\u036f])+)*|&"
)
_TOKEN: Final = re.compile(
    f"{NUMBER.pattern}|(?P<word>{_WORD.pattern})", re.VERBOSE | re.IGNORECASE
)

_ELLIPSIS: Final = re.compile(r"…|\.{2,}")

# Letters that do not come apart into an ASCII letter and a mark.
_LATIN: Final = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "\u0131": "i",
    }
    | dict.fromkeys(_APOSTROPHES, "'")
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, and how it is said.

    Attributes:
        text: As written; equals `text[char_start:char_end]` of the transcript.
        char_start: First code point in the transcript.
        char_end: One past the last code point.
        spoken: One or more lower-case ASCII words.
        is_hesitation: A filler, or a word that is said again at once.
    """

    text: str
    char_start: int
    char_end: int
    spoken: tuple[str, ...]
    is_hesitation: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words in order; `skipped` words are written in other letters and cannot be aligned."""

    words: tuple[Word, ...]
    skipped: int


def read(text: str, language: str) -> Transcript:
    """Split a text into words that can be aligned.

    Raises:
        EmptyTranscript: If there is no word.
        UnsupportedScript: If most letters are not Latin ones.
    """
    tokens = list(_tokens(text))
    if not tokens:
        raise EmptyTranscript
    words = [word for word in tokens if word.spoken]
    foreign = [word for word in tokens if not word.spoken]
    # By letters: scripts without spaces write a whole sentence as one token.
    if sum(len(word.text) for word in foreign) > sum(len(word.text) for word in words):
        raise UnsupportedScript(language)
    return Transcript(tuple(_with_hesitations(text, words)), len(foreign))


def _tokens(text: str) -> Iterator[Word]:
    for match in _TOKEN.finditer(text):
        spoken = _spoken_word(match["word"]) if match["word"] else spoken_number(match)
        yield Word(match[0], match.start(), match.end(), spoken)


def _spoken_word(written: str) -> tuple[str, ...]:
    """Fold to lower-case ASCII; nothing if letters of another script remain."""
    if written == "&":
        return ("and",)
    decomposed = unicodedata.normalize("NFKD", written.lower().translate(_LATIN))
    folded = "".join(char for char in decomposed if not unicodedata.combining(char))
    return (folded,) if re.fullmatch(r"[a-z']+", folded) else ()


def _with_hesitations(text: str, words: list[Word]) -> Iterator[Word]:
    """Mark fillers, and all but the last of a word said several times in a row."""
    for word, following in pairwise(words):
        between = text[word.char_end : following.char_start]
        hesitates = _is_filler(word) or (
            word.spoken == following.spoken and _repeats(word, between)
        )
        yield replace(word, is_hesitation=hesitates)
    yield replace(words[-1], is_hesitation=_is_filler(words[-1]))


def _is_filler(word: Word) -> bool:
    return word.spoken[0] in FILLERS


def _repeats(word: Word, between: str) -> bool:
    """A repeat is no hesitation if it is said on purpose, spelled, counted or a new sentence."""
    spoken = word.spoken[0]
    on_purpose = spoken in _DOUBLED_ON_PURPOSE or len(word.spoken) > 1
    spelled = len(spoken) == 1 and spoken not in {"a", "i"}
    return not on_purpose and not spelled and not re.search(r"[.!?:;]", _ELLIPSIS.sub("", between))
