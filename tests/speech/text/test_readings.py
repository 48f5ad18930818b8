"""A table of texts and how a good reader says them, in `readings.txt`."""

import re
from pathlib import Path

import pytest

from speech.text.tokens import tokens

READINGS = Path(__file__).with_name("readings.txt")


def rows():
    """Yield text, words and kind of each row."""
    kind = ""
    for line in READINGS.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[([^→]+)\]", line):
            kind = heading[1]
        elif line and not line.startswith(";"):
            text, _, said = line.rpartition(" → ")
            yield pytest.param(unescaped(text), said, id=f"{kind}: {text}")


def unescaped(text):
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)


def test_the_table_is_long_and_without_duplicates():
    texts = [row.values[0] for row in rows()]
    assert len(texts) >= 300
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(("text", "said"), list(rows()))
def test_a_text_is_said_as_people_say_it(text, said):
    spoken = " ".join(part for token in tokens(text) for part in token.spoken)
    assert spoken == said.replace("[]", "")
