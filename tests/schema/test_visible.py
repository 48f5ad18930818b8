"""What is shown to people neither controls a terminal nor reads otherwise than it is."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors.base import ParametersRefused
from schema.errors.storage import StorageUnavailable
from schema.visible import visible

HOSTILE = {
    "window title": "a\x1b]0;x\x07.wav",
    "C1 control sequence": "a\x9b31m",
    "backspaces": "rm -rf /\b\b\b",
    "carriage return": "failed\rpassed ",
    "override": "invoice\u202egpj.exe",
    "isolate": "\u2066admin\u2069",
    "zero width": "ad\u200bmin\ufeff",
    "line separator": "a\u2028b\u2029c",
    "next line": "a\x85b",
    "tag characters": "a\U000e0041",
    "filler": "\u3164",
    "surrogate": "a\udc80",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_controls_or_deceives_shows_as_an_escape(text):
    shown = visible(text)
    assert shown != text
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize(
    "text",
    ["", "a b", "Größe", "日本　語", "עברית", "नमस्ते", "👍🏽", "it\u2019s", "1\u00a0000", "≤ 5 %"],
)
def test_ordinary_texts_stay(text):
    assert visible(text) == text


def test_our_own_line_breaks_can_be_kept():
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\u001b"
    assert visible("a\nb") == "a\\u000ab"


@given(st.text())
def test_nothing_invisible_is_left_and_twice_is_once(text):
    shown = visible(text)
    categories = {unicodedata.category(c) for c in shown}
    assert categories.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert visible(shown) == shown


@given(st.text())
def test_a_json_document_keeps_its_meaning(text):
    document = json.dumps({"key": text}, ensure_ascii=False)
    assert json.loads(visible(document)) == {"key": text}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_our_errors_show_only_what_is_visible(text):
    for error in (ParametersRefused(text), StorageUnavailable("read", text)):
        for shown in (str(error), str(error.args[0])):
            assert visible(shown, keep="\n") == shown
