"""Build regular expressions from tables of words."""

import re
from collections.abc import Iterable


def any_of(words: Iterable[str]) -> str:
    """Match one of them, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
