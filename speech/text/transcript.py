"""Split the message's text into words to align, each with its offsets in the text.

Offsets are code points into the original text: `text[word.char_start:word.char_end]` is the
word as written. The aligner uses `word.spoken`: "1999" is one word as written and three as spoken.
In English that is lower-case ASCII, in other languages what a voice is given to read.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

from speech.errors import EmptyTranscript, UnsupportedLanguage, UnsupportedScript
from speech.text import lexicon
from speech.text.languages import boundaries, chinese, fillers, japanese, scripts
from speech.text.languages.boundaries import Boundary
from speech.text.languages.tokens import tokens as tokens_of
from speech.text.tokens import Token, tokens

FILLERS: Final = frozenset({
    "ah", "eh", "em", "er", "erm", "hm", "hmm", "hmmm", "huh", "mhm", "mm", "mmm", "uh", "uhm",
    "um", "umm",
})  # fmt: skip

# What reads them beside this package, the extra `languages`.
_NEEDED: Final = {"ja": ("sudachipy", "sudachidict_core"), "zh": ("rjieba", "opencc")}
_LOADERS: Final[dict[str, Callable[[], object]]] = {
    "en": lexicon.load,
    "ja": japanese.load,
    "zh": chinese.load,
}

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
        spoken: One or more words. English ones are in lower-case ASCII, and "a." is the name of
            the letter; Japanese ones are in katakana; numbers are in words where they can be.
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


@cache
def available() -> frozenset[str]:
    """Return the languages whose texts can be read with what is installed."""
    missing = {
        language
        for language, packages in _NEEDED.items()
        if not all(find_spec(package) for package in packages)
    }
    return frozenset({"en", *fillers.INTERJECTIONS} - missing)


def load(languages: Collection[str]) -> None:
    """Load the dictionaries of languages, so that `read` opens no file.

    Raises:
        UnsupportedLanguage: If one cannot be read; the extra `languages` may be missing.
    """
    for language in languages:
        _require(language)
        if language in _LOADERS:
            _LOADERS[language]()


def read(text: str, language: str) -> Transcript:
    """Split a text into words that can be aligned.

    Args:
        text: As written.
        language: One of `available()`.

    Raises:
        EmptyTranscript: If there is no word, or only fillers.
        UnsupportedScript: If most letters are not of the language's script.
        UnsupportedLanguage: If texts of this language cannot be read.
    """
    _require(language)
    found = list(tokens(text) if language == "en" else tokens_of(text, language))
    spoken = [token for token in found if token.spoken]
    # Count letters, not tokens: scripts without spaces write a whole sentence as one token.
    foreign = sum(token.end - token.start for token in found if token.is_foreign)
    own = sum(
        scripts.weight(text[token.start : token.end], language)
        for token in spoken
        if not token.is_foreign
    )
    if foreign > own:
        raise UnsupportedScript(language)
    hesitations = _hesitations(text, spoken, language)
    if all(hesitations):  # or there are none
        raise EmptyTranscript
    starts = [*(token.start for token in spoken[1:]), len(text)]
    ends_of = _boundary if language == "en" else boundaries.boundary
    words = tuple(
        Word(
            written := text[token.start : token.end],
            token.start,
            token.end,
            token.spoken,
            is_hesitation=is_hesitation,
            is_plain=token.is_plain,
            boundary=ends_of(written, text[token.end : until], text[until : until + 1]),
        )
        for token, until, is_hesitation in zip(spoken, starts, hesitations, strict=True)
    )
    return Transcript(words, len(found) - len(words))


def _require(language: str) -> None:
    if language not in available():
        raise UnsupportedLanguage(language, tuple(sorted(available())))


def _hesitations(text: str, spoken: Sequence[Token], language: str) -> list[bool]:
    if language == "en":
        return [_is_filler(text, token) for token in spoken]
    return fillers.hesitations(text, [(it.start, it.end) for it in spoken], language)


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
