"""A table of texts and how a good reader says them, in `readings.txt`."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


TEXTS = [row.values[0] for row in rows()]
PIECES = sorted({piece for text in TEXTS for piece in re.findall(r"\w+|\W", text)})


def test_the_table_is_long_and_without_duplicates():
    assert len(TEXTS) >= 300
    assert len(TEXTS) == len(set(TEXTS))


@settings(deadline=None, max_examples=300)  # the first word reads the dictionary
@given(st.lists(st.sampled_from(TEXTS + PIECES), max_size=30).map("".join))
def test_any_mixture_of_the_table_is_read_in_order_and_whole(text):
    found = list(tokens(text))
    places = [place for token in found for place in (token.start, token.end)]
    assert places == sorted(places)
    assert all(token.start < token.end for token in found)
    words = [part for token in found for part in token.spoken]
    assert all(re.fullmatch(r"a\.|'?[a-z][a-z']*", word) for word in words)


@pytest.mark.parametrize(("text", "said"), list(rows()))
def test_a_text_is_said_as_people_say_it(text, said):
    spoken = " ".join(part for token in tokens(text) for part in token.spoken)
    assert spoken == said.replace("[]", "")
