"""Read chords ("C#m7"), shortcuts ("Ctrl+C") and what transcripts note beside the words."""

import re
from typing import Final

from speech.text.numerals import cardinal, words_of

_ACCIDENTALS: Final = {"#": "sharp", "♭": "flat", "b": "flat"}
_QUALITIES: Final = {
    "maj": "major", "min": "minor", "m": "minor", "dim": "diminished", "aug": "augmented",
    "sus": "sus", "add": "add",
}  # fmt: skip
_KEYS: Final = {
    "ctrl": "control", "cmd": "command", "opt": "option", "win": "windows", "fn": "function",
    "esc": "escape", "del": "delete", "ins": "insert",
}  # fmt: skip
_QUALITY: Final = "maj|min|m|dim|aug|sus|add"

# Sounds that are not words: "(laughs)", "[music]", "*clears throat*".
ASIDE: Final = r"""
    [(\[*](?i:(?:soft|loud|nervous|upbeat|background|heavy)(?:ly)?\ )?
    (?i:laugh(?:s|ing|ter)?|chuckl(?:es|ing)|giggl(?:es|ing)|sigh(?:s|ing)?|cough(?:s|ing)?
        |clear(?:s|ing)\ (?:(?:his|her|their|my)\ )?throat|pauses?|music(?:\ playing)?|applause
        |inaudible|indistinct|silence|crosstalk|smil(?:es|ing)|whisper(?:s|ing)|cry(?:ing)?|cries
        |sob(?:s|bing)|sniff(?:s|ing)|gasps?|groans?|yawns?|noise|beep|blank_audio|no\ audio)[)\]*]
"""
PATTERNS: Final = {
    "shortcut": r"""
        \b(?i:ctrl|cmd|alt|shift|opt(?:ion)?|win|fn|control|command)
        (?:\ ?\+\ ?(?:(?i:ctrl|cmd|alt|shift|opt(?:ion)?|del(?:ete)?|enter|tab|esc|space)\b
            |F[0-9]{1,2}\b|[a-zA-Z0-9]\b)){1,4}
    """,
    "chord": rf"""
        (?<![\w#])(?P<note>[A-G](?=[#♭]|b\b|(?:{_QUALITY})[0-9]|b(?:{_QUALITY})[0-9])|[a-g](?=\#))
        (?P<accidental>[#♭]|(?<=[BE])b|b(?=(?:{_QUALITY})[0-9]|\ (?:major|minor|chord)))?
        (?P<quality>{_QUALITY})?(?P<degree>[0-9]{{1,2}})?(?P<genitive>'s)?(?![\w#])
    """,
}


def spoken_chord(match: re.Match[str]) -> tuple[str, ...]:
    """Say a note with its sharp or flat, and the kind of its chord; "C#" is a language too."""
    note, accidental, quality, degree = match.group("note", "accidental", "quality", "degree")
    said = (
        "a." if note in "aA" else note.lower(),
        *([_ACCIDENTALS[accidental]] if accidental else ()),
        *([_QUALITIES[quality]] if quality else ()),
        *(words_of(cardinal(int(degree))) if degree else ()),
    )
    return (*said[:-1], said[-1] + (match["genitive"] or ""))


def spoken_shortcut(match: re.Match[str]) -> tuple[str, ...]:
    """Say the keys of a shortcut, without "plus"."""
    keys = [key.strip().lower() for key in match[0].split("+")]
    return tuple(word for key in keys for word in _spoken_key(key))


def _spoken_key(key: str) -> tuple[str, ...]:
    if key[-1].isdigit():  # "F4", "1"
        number = key.lstrip("f")
        return (*key[: len(key) - len(number)], *words_of(cardinal(int(number))))
    return ("a.",) if key == "a" else (_KEYS.get(key, key),)
