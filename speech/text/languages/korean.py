"""Read Korean numbers together with what is written right after them: "3시에" is "세 시에"."""

import re
from collections.abc import Iterator
from typing import Final

from speech.text.languages.numerals import said_whole
from speech.text.languages.scripts import HANGUL
from speech.text.tokens import Token

# Counted with native numbers up to 99; everything else takes Sino-Korean ones.
_NATIVE_COUNTERS: Final = (
    "시간", "시", "개", "명", "사람", "살", "번", "마리", "잔", "병", "권", "장", "대", "가지",
    "달", "켤레", "송이", "그릇",
)  # fmt: skip
_SINO: Final = ("개월", "시대", "번지", "번째", "대학")
_ONES: Final = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS: Final = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")

_MONTHS: Final = {6: "유", 10: "시"}  # without the final consonant of the number

PATTERN: Final = rf"(?P<counted>(?<!\d)(?<!\d[.,:])\d{{1,8}})(?P<counter>[{HANGUL}]{{1,32}})"


def spoken(match: re.Match[str]) -> tuple[str, ...]:
    """Say a number and the word that it counts."""
    digits, counter = match["counted"], match["counter"]
    number = int(digits)
    if counter.startswith("월") and number in _MONTHS:
        return (_MONTHS[number] + counter,)
    is_native = counter.startswith(_NATIVE_COUNTERS) and not counter.startswith(_SINO)
    if not is_native or not 0 < number < 100:
        return (*said_whole(digits, "ko"), counter)
    if number == 20:
        return "스무", counter
    return _TENS[number // 10] + _ONES[number % 10], counter


def with_endings(found: Iterator[Token]) -> Iterator[Token]:
    """Join a number to the particle or counter right after it: what spaces separate is a word."""
    last: Token | None = None
    for token in found:
        if last and last.end == token.start and last.spoken and token.spoken and not last.is_plain:
            last = last._replace(end=token.end, spoken=last.spoken + token.spoken)
            continue
        if last:
            yield last
        last = token
    if last:
        yield last
