"""Find pauses where there should be none, and sentences that end without one.

Readers pause at the ends of phrases, seldom inside them: "in the | house" (Goldman-Eisler 1968).
Where the text has no punctuation, a phrase may end before a word that opens one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from speech.text.transcript import Word
from speech.utterance import Utterance

# Of such pauses, 97 in 100 are in recordings whose fluency experts rate below 8 of 10; of those
# rated 9 or more, one in a hundred has one (speechocean762, training half).
UNEXPECTED_SECONDS: Final = 0.5
# Closures of stops and soft sounds leave gaps of some 50 ms that are no pause.
MISSING_SECONDS: Final = 0.1
# "Yes. I do." is often said in one go.
_LEAST_WORDS: Final = 4

_OPENERS: Final = frozenset({
    "about", "after", "against", "although", "and", "as", "at", "because", "before", "between",
    "but", "by", "during", "either", "for", "from", "how", "if", "in", "into", "like", "near",
    "neither", "nor", "not", "of", "on", "or", "over", "please", "since", "so", "than", "that",
    "then", "though", "through", "to", "too", "under", "unless", "until", "what", "when", "where",
    "which", "while", "who", "whom", "whose", "why", "with", "without", "yet",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Break:
    """A pause inside a phrase, or none between two sentences; times in seconds.

    Attributes:
        kind: Whether a pause was `unexpected`, or one is `missing`.
        word: The written word before it.
        start: When that word ends.
        end: When the next one begins.
    """

    kind: Literal["unexpected", "missing"]
    word: str
    start: float
    end: float


def breaks(timeline: Sequence[Utterance]) -> list[Break]:
    """Return the breaks between written words, in order; hesitations are not judged."""
    lengths = _sentence_lengths(timeline)
    found = []
    for index, (one, following) in enumerate(pairwise(timeline)):
        if one.word is None or following.word is None:
            continue
        seconds = following.start - one.end
        is_long = min(lengths[index : index + 2]) >= _LEAST_WORDS
        if one.word.boundary == "sentence" and is_long and seconds < MISSING_SECONDS:
            found.append(Break("missing", one.word.text, one.end, following.start))
        elif seconds >= UNEXPECTED_SECONDS and _is_inside(one.word, following.word):
            found.append(Break("unexpected", one.word.text, one.end, following.start))
    return found


def _is_inside(one: Word, following: Word) -> bool:
    """Return whether no phrase ends between two words."""
    if one.is_hesitation or following.is_hesitation:
        return False
    return not one.boundary and following.text.casefold() not in _OPENERS


def _sentence_lengths(timeline: Sequence[Utterance]) -> list[int]:
    """Return, for each word, the number of words of its sentence."""
    sentences, sentence = [], 0
    for one in timeline:
        sentences.append(sentence)
        sentence += one.word is not None and one.word.boundary == "sentence"
    words = [one.word is not None for one in timeline]
    lengths = Counter(at for at, is_word in zip(sentences, words, strict=True) if is_word)
    return [lengths[at] for at in sentences]
