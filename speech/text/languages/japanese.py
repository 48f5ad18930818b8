"""Divide Japanese into words and read them in katakana, with SudachiPy and its core dictionary.

A word is what a learner looks up: a verb or adjective with its endings and auxiliaries
("食べませんでした"), a noun with its prefix and suffix, a noun made a verb by する. Particles and
the copula are words of their own, as in dictionaries.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from speech.text.languages import counters, fillers
from speech.text.languages.kana import from_latin, katakana, lengthened

# Sudachi refuses more than 49,149 bytes; short pieces bound its work.
_PIECE: Final = 512

# The dictionary gives the formal reading first, and spells units.
_USUAL: Final = {
    "私": "ワタシ", "日本": "ニホン", "明日": "アシタ", "言う": "イウ", "km": "キロ", "kg": "キロ",
    "cm": "センチ", "mm": "ミリ", "m": "メートル", "g": "グラム", "l": "リットル",
    "ml": "ミリリットル",
}  # fmt: skip
_PARTICLES: Final = {"は": "ワ", "へ": "エ", "を": "オ"}
_ENDS_IN_A_PARTICLE: Final = frozenset(
    {"こんにちは", "こんばんは", "では", "それでは", "または", "実は"}
)
_NAN_BEFORE: Final = (*"でとのだな人時年月日回個本枚", "です")  # "ナン", not "ナニ"
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]")
_KANA: Final = re.compile(r"[ァ-ヺー]")


class _Piece(NamedTuple):
    """A morpheme of a text; `base` is its dictionary form."""

    start: int
    end: int
    surface: str
    reading: str
    base: str
    kinds: tuple[str, ...]

    def is_a(self, *kinds: str) -> bool:
        return any(kind in self.kinds for kind in kinds)


@cache
def load() -> Any:  # noqa: ANN401 - a dictionary of SudachiPy, which is optional
    """Load the dictionary, so that no file is read later."""
    from sudachipy import Dictionary

    return Dictionary(dict="core")


def words(run: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the words of a run of letters: `[start, end)` in it, and how each is said."""
    if fillers.is_known(run, "ja"):
        yield 0, len(run), (lengthened(katakana(run)),)
        return
    for offset in range(0, len(run), _PIECE):
        group: list[_Piece] = []
        for piece in _pieces(run[offset : offset + _PIECE]):
            if group and not _belongs(piece, group):
                yield from _word(group, offset)
                group = []
            group.append(piece)
        yield from _word(group, offset)


def _word(group: list[_Piece], offset: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    said = "".join(_said(piece) for piece in group)
    if said:
        yield group[0].start + offset, group[-1].end + offset, (said,)


def _pieces(text: str) -> list[_Piece]:
    """Analyse a text, with numbers and their counters as one piece."""
    pieces: list[_Piece] = []
    for one in load().tokenizer().tokenize(text):  # a tokenizer serves one thread at a time
        kinds = one.part_of_speech()
        piece = _Piece(
            one.begin(), one.end(), one.surface(), one.reading_form(), one.dictionary_form(), kinds
        )
        number = counters.value(pieces[-1].surface) if pieces else None
        if number is not None and counters.is_counter(piece.surface):
            before = pieces.pop()
            reading, surface = (
                counters.spoken(number, piece.surface),
                before.surface + piece.surface,
            )
            piece = _Piece(before.start, piece.end, surface, reading, surface, ("名詞", "数量"))
        elif pieces and pieces[-1].surface == "何":
            is_nan = piece.surface.startswith(_NAN_BEFORE)
            pieces[-1] = pieces[-1]._replace(reading="ナン" if is_nan else "ナニ")
        pieces.append(piece)
    return pieces


def _belongs(piece: _Piece, group: list[_Piece]) -> bool:
    """Return whether a morpheme continues the word before it."""
    last = group[-1]
    if piece.is_a("接尾辞") or last.is_a("接頭辞"):
        return True
    if last.is_a("フィラー"):
        return piece.surface == "と" and fillers.is_known(last.surface + "と", "ja")
    if piece.is_a("助動詞") or piece.base in {"ない", "無い"}:
        return _is_inflected(last) or (piece.surface == "な" and last.is_a("形状詞"))
    if piece.is_a("接続助詞"):
        return piece.surface in {"て", "で", "ば", "ながら", "たり", "だり"} and _is_inflected(last)
    if piece.is_a("非自立可能") and piece.is_a("動詞"):
        is_verb_made_of_noun = piece.base in {"する", "為る"} and last.is_a("サ変可能")
        return is_verb_made_of_noun or (last.is_a("接続助詞") and len(group) > 1)
    return False


def _is_inflected(piece: _Piece) -> bool:
    return piece.is_a("動詞", "形容詞", "助動詞") or piece.surface in {"て", "で"}


def _said(piece: _Piece) -> str:
    if piece.is_a("補助記号", "空白") or set(piece.surface) == {"w"}:  # "www" is laughter
        return ""
    if piece.is_a("助詞"):
        return _PARTICLES.get(piece.surface, lengthened(katakana(piece.reading)))
    reading = piece.reading if piece.surface == "何" else _USUAL.get(piece.surface, piece.reading)
    if _LATIN.search(reading) or not _KANA.search(reading):
        return from_latin(piece.surface)
    if piece.surface in _ENDS_IN_A_PARTICLE:
        return lengthened(reading).removesuffix("ハ") + "ワ"
    if piece.is_a("動詞") and piece.surface.endswith("う") and not piece.is_a("意志推量形"):
        return lengthened(reading[:-1]) + reading[-1:]  # "オモウ" has three vowels
    return lengthened(reading)
