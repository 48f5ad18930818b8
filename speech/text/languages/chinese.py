"""Divide Chinese into words with jieba; a voice reads the characters of both scripts."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from speech.text.languages.numerals import digit_by_digit
from speech.text.languages.scripts import HAN

_RUNS: Final = re.compile(rf"[{HAN}]+|[^{HAN}]+")

# espeak-ng has no syllable that ends in -iong, and spells it in English; these end in -un.
_SAID_AS: Final = str.maketrans(
    "兄凶兇匈胸汹洶雄熊穷窮琼瓊穹囧迥炯窘", "勋勋勋勋勋勋勋寻寻群群群群群俊俊俊俊"
)
# Not "years ago", "years later" or a grade.
YEAR: Final = r"(?<!\d)(?<!\d[.,])(?P<counted>\d{4}|\d{2})年(?![前后後以级級])"


@cache
def load() -> tuple[Any, Any]:
    """Load the dictionaries, so that no file is read later: the segmenter, and the converter."""
    import opencc
    import rjieba

    converter = opencc.OpenCC("t2s")
    rjieba.tokenize(converter.convert("你好"), "default")
    return rjieba.tokenize, converter.convert


def words(run: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the words of a run of letters: `[start, end)` in it, and how each is said."""
    for part in _RUNS.finditer(run):
        if not re.match(f"[{HAN}]", part[0]):
            yield part.start(), part.end(), (part[0],)
            continue
        segment, simplified = load()
        # jieba knows the words of mainland China, in simplified characters.
        known = simplified(part[0])
        if len(known) != len(part[0]):
            known = part[0]
        for _, start, end in segment(known, "default", hmm=False):  # no guesses at unknown words
            said = part[0][start:end].translate(_SAID_AS)
            yield part.start() + start, part.start() + end, (said,)


def spoken_year(match: re.Match[str]) -> tuple[str, ...]:
    """Say a year digit by digit: "二零二四年"."""
    return ("".join(digit_by_digit(match["counted"], "zh")) + "年",)
