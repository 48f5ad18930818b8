"""Split the message's text into words to align, each with its offsets in the text.

Offsets are code points into the original text: `text[word.char_start:word.char_end]` is the
word as written. The aligner uses `word.spoken`, in lower-case ASCII: "1999" is one word as
written and three as spoken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from speech.errors import EmptyTranscript, UnsupportedScript
from speech.text.tokens import Token, tokens

FILLERS: Final = frozenset({
    "ah", "eh", "em", "er", "erm", "hm", "hmm", "hmmm", "huh", "mhm", "mm", "mmm", "uh", "uhm",
    "um", "umm",
})  # fmt: skip

# Words doubled for emphasis or by convention, not as a hesitation.
_DOUBLED_ON_PURPOSE: Final = frozenset({
    "all", "bye", "come", "far", "go", "had", "ha", "hello", "hey", "hi", "long", "many", "more",
    "much", "no", "now", "okay", "please", "really", "right", "so", "stop", "that", "there",
    "very", "wait", "well", "what", "where", "why", "yes", "zero", "one", "two", "three", "four",
    "five", "six", "seven", "eight", "nine", "ten", "hundred",
})  # fmt: skip

_ELLIPSIS: Final = re.compile(r"…|\.{2,}")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, and how it is said.

    Attributes:
        text: As written; equals `text[char_start:char_end]` of the transcript.
        char_start: First code point in the transcript.
        char_end: One past the last code point.
        spoken: One or more lower-case ASCII words; "a." is the name of the letter.
        is_hesitation: Whether it is a filler or immediately repeated.
        is_plain: Whether it is read as written; numbers, times, money, symbols and abbreviations
            can be said in several ways, and `spoken` is only the likeliest.
    """

    text: str
    char_start: int
    char_end: int
    spoken: tuple[str, ...]
    is_hesitation: bool = False
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words in order; `skipped` counts tokens that cannot be aligned: links, other scripts."""

    words: tuple[Word, ...]
    skipped: int


def read(text: str, language: str) -> Transcript:
    """Split a text into words that can be aligned.

    Raises:
        EmptyTranscript: If there is no word, or only fillers.
        UnsupportedScript: If most letters are not Latin.
    """
    found = list(tokens(text))
    words = [_word(text, token) for token in found if token.spoken]
    # Count letters, not tokens: scripts without spaces write a whole sentence as one token.
    foreign = sum(token.end - token.start for token in found if token.is_foreign)
    if foreign > sum(len(word.text) for word in words):
        raise UnsupportedScript(language)
    if all(_is_filler(word) for word in words):
        raise EmptyTranscript
    return Transcript(tuple(_with_hesitations(text, words)), len(found) - len(words))


def _word(text: str, token: Token) -> Word:
    written = text[token.start : token.end]
    return Word(written, token.start, token.end, token.spoken, is_plain=token.is_plain)


def _with_hesitations(text: str, words: list[Word]) -> Iterator[Word]:
    """Mark fillers, and all but the last of a word repeated in a row."""
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
    """Return whether a repeat is a hesitation, not on purpose, spelled or a new sentence."""
    spoken = word.spoken[0]
    on_purpose = spoken in _DOUBLED_ON_PURPOSE or len(word.spoken) > 1
    spelled = len(spoken) == 1 and spoken not in {"a", "i"}
    return not on_purpose and not spelled and not re.search(r"[.!?:;]", _ELLIPSIS.sub("", between))
