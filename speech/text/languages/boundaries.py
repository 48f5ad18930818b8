# ruff: noqa: RUF001 - letters and marks of other scripts look like Latin ones
"""Where sentences and phrases end, by the punctuation of each language."""

import re
from typing import Final, Literal

# Full stops of Latin, Chinese, Japanese and Hindi texts; an ellipsis may end anything.
_SENTENCE_END: Final = re.compile(r"(?<!\.)[.!?](?![.\w])|[。！？．｡।॥]")
_PHRASE_END: Final = re.compile(r"[.,!?;:()\[\]\n\u2013\u2014\u2026，、；：（）［］､…–—]|\s-\s")
# A full stop after them seldom ends a sentence.
_ABBREVIATIONS: Final = frozenset({
    "sr", "sra", "srta", "dr", "dra", "ud", "uds", "vd", "pág", "etc", "mme", "mlle", "bzw", "usw",
    "evtl", "ca", "st", "str", "prof", "hr", "fr", "nr", "dhr", "mevr", "dott", "sig", "ing", "г",
    "ул", "т", "д", "стр", "руб", "bk", "vb", "dk", "yy", "hlm", "jl", "tp", "bpk", "gng",
})  # fmt: skip

Boundary = Literal["sentence", "phrase", ""]


def boundary(word: str, between: str, following: str) -> Boundary:
    """Return what ends between a word and the first letter of the next, "" at the end."""
    if end := _SENTENCE_END.search(between):
        is_abbreviated = between.startswith(".") and (
            word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())
        )
        if end[0] not in ".!?" or not (following.islower() or (is_abbreviated and following)):
            return "sentence"
    return "phrase" if _PHRASE_END.search(between) else ""
