"""Measure the rhythm of English: how short the small words are.

English shortens words such as "of" and "the"; learners whose first language gives every syllable
its full time do not (Roach 2009, ch. 12 and 14; Celce-Murcia et al. 2010, ch. 5).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from speech.feedback.evidence import HeardWord
from speech.fluency import PAUSE_SECONDS

# Words with a weak form (Roach 2009, ch. 12), except those that are often stressed.
WEAK_WORDS: Final = frozenset({
    "a", "am", "an", "and", "are", "as", "at", "but", "can", "could", "do", "does", "for", "from",
    "had", "has", "have", "he", "her", "him", "his", "must", "of", "shall", "she", "should",
    "than", "the", "them", "to", "us", "was", "we", "were", "you", "your",
})  # fmt: skip
_MIN_WORDS_OF_EACH: Final = 3


def small_words_share(words: Sequence[HeardWord]) -> float | None:
    """Return the mean duration of a sound in small words, relative to that in other words.

    Words before a pause do not count, because every speaker lengthens them. None if there are too
    few words.
    """
    small: list[HeardWord] = []
    other: list[HeardWord] = []
    for word, following in pairwise(words):
        is_before_pause = following.start_ms - word.end_ms >= 1000 * PAUSE_SECONDS
        if word.is_evidence and not is_before_pause:
            (small if word.text.casefold() in WEAK_WORDS else other).append(word)
    if min(len(small), len(other)) < _MIN_WORDS_OF_EACH:
        return None
    return _ms_per_phone(small) / max(_ms_per_phone(other), 1.0)


def _ms_per_phone(words: Sequence[HeardWord]) -> float:
    return sum(word.end_ms - word.start_ms for word in words) / sum(
        len(word.phones) for word in words
    )
