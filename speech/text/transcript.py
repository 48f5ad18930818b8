"""Split the message's text into words to align, each with its offsets in the text.

Offsets are code points into the original text: `text[word.char_start:word.char_end]` is the
word as written. The aligner uses `word.spoken`, in lower-case ASCII: "1999" is one word as
written and three as spoken.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from speech.errors import EmptyTranscript, UnsupportedScript
from speech.text.tokens import Token, tokens

FILLERS: Final = frozenset({
    "ah", "eh", "em", "er", "erm", "hm", "hmm", "hmmm", "huh", "mhm", "mm", "mmm", "uh", "uhm",
    "um", "umm",
})  # fmt: skip


Boundary = Literal["sentence", "phrase", ""]

# A full stop after them, or after an initial, seldom ends a sentence.
_ABBREVIATIONS: Final = frozenset({
    "al", "co", "corp", "esp", "etc", "inc", "ltd", "messrs", "ms", "st", "viz",
})  # fmt: skip
# An ellipsis may end anything.
_SENTENCE_END: Final = re.compile(r"(?<!\.)[.!?](?![.\w])")
_PHRASE_END: Final = re.compile(r"[.,!?;:()\[\]\n\u2013\u2014\u2026]|\s-\s")
_JOINED: Final = re.compile(r"(?<=\w[-\u2010\u2011])|(?=[-\u2010\u2011]\w)")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, and how it is said.

    Attributes:
        text: As written; equals `text[char_start:char_end]` of the transcript.
        char_start: First code point in the transcript.
        char_end: One past the last code point.
        spoken: One or more lower-case ASCII words; "a." is the name of the letter.
        is_hesitation: Whether it is a filler. A word that the text repeats is to be said twice.
        is_plain: Whether it is read as written; numbers, times, money, symbols and abbreviations
            can be said in several ways, and `spoken` is only the likeliest.
        boundary: What the punctuation after it ends.
    """

    text: str
    char_start: int
    char_end: int
    spoken: tuple[str, ...]
    is_hesitation: bool = False
    is_plain: bool = True
    boundary: Boundary = ""


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
    spoken = [token for token in found if token.spoken]
    starts = [*(token.start for token in spoken), len(text)]
    words = [_word(text, token, until) for token, until in zip(spoken, starts[1:], strict=True)]
    # Count letters, not tokens: scripts without spaces write a whole sentence as one token.
    foreign = sum(token.end - token.start for token in found if token.is_foreign)
    if foreign > sum(len(word.text) for word in words):
        raise UnsupportedScript(language)
    if all(word.is_hesitation for word in words):
        raise EmptyTranscript
    return Transcript(tuple(words), len(found) - len(words))


def _word(text: str, token: Token, until: int) -> Word:
    return Word(
        text[token.start : token.end],
        token.start,
        token.end,
        token.spoken,
        is_hesitation=_is_filler(text, token),
        is_plain=token.is_plain,
        boundary=_boundary(
            text[token.start : token.end], text[token.end : until], text[until : until + 1]
        ),
    )


def _boundary(word: str, between: str, following: str) -> Boundary:
    """Return what ends between a word and the first letter of the next, "" at the end."""
    if _SENTENCE_END.search(between) and not (
        following.islower() or _is_abbreviated(word, between)
    ):
        return "sentence"
    return "phrase" if _PHRASE_END.search(between) else ""


def _is_abbreviated(word: str, between: str) -> bool:
    is_short = (len(word) == 1 and word.isalpha()) or word.casefold() in _ABBREVIATIONS
    return is_short and between.startswith(".")


def _is_filler(text: str, token: Token) -> bool:
    """Return whether this is a filler, not half of an answer such as "uh-huh" or "uh-oh"."""
    is_joined = _JOINED.match(text, token.start) or _JOINED.match(text, token.end)
    return token.spoken[0] in FILLERS and not is_joined
