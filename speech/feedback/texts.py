"""What learners read, in their own language: named messages from a file for each language."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

DEFAULT_LANGUAGE: Final = "en"

_FOLDER: Final = Path(__file__).parent / "languages"


@dataclass(frozen=True, slots=True)
class Texts:
    """The messages of one language.

    Attributes:
        language: Primary language, such as "ja".
        messages: By name; that of a table's entry is `table.entry`.
    """

    language: str
    messages: Mapping[str, str]

    def say(self, name: str, /, **values: object) -> str:
        """Return a message with its placeholders filled in."""
        return self.messages[name].format(**values)

    def count(self, name: str, count: int, /, **values: object) -> str:
        """Return a message in the plural form of a count, its placeholder `count`."""
        singular = f"{name}.one"
        form = singular if count == 1 and singular in self.messages else f"{name}.other"
        return self.say(form, count=count, **values)

    def quoted(self, word: str) -> str:
        """Return a word in quotation marks."""
        return self.say("quoted", word=word)

    def listed(self, items: Sequence[str]) -> str:
        """Return items as a list."""
        return self.messages["list_separator"].join(items)

    def paired(self, items: Sequence[str]) -> str:
        """Return one item, or two connected by "and"."""
        return self.say("pair", first=items[0], second=items[1]) if len(items) == 2 else items[0]

    def sentences(self, *sentences: str) -> str:
        """Return sentences as one text."""
        return self.messages["sentence_separator"].join(sentences)

    def decimal(self, value: float) -> str:
        """Return a number with one decimal."""
        return f"{value:.1f}".replace(".", self.messages["decimal_separator"])


def texts_in(language: str) -> Texts:
    """Return the messages in a language, "ja" or "ja-JP"; in English if there are none.

    The first call reads all files.
    """
    primary = language.replace("_", "-").partition("-")[0].strip().lower()
    every = _every()
    return every.get(primary, every[DEFAULT_LANGUAGE])


def languages() -> list[str]:
    """Return the languages that have messages, in alphabetical order."""
    return sorted(_every())


@cache
def _every() -> dict[str, Texts]:
    return {path.stem: _read(path) for path in _FOLDER.glob("*.toml")}


def _read(path: Path) -> Texts:
    messages = tomllib.loads(path.read_text(encoding="utf-8"))
    return Texts(path.stem, dict(_named(messages)))


def _named(messages: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, str]]:
    for name, message in messages.items():
        if isinstance(message, str):
            yield f"{table}{name}", message
        else:
            yield from _named(message, f"{table}{name}.")
