import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.markdown import escaped, table
from schema.visible import visible


def test_numbers_stand_on_the_right_of_their_names():
    assert table(("Messages", "", "size"), [("Analysed", 1200, "3 MB"), ("**all**", 0, "")]) == [
        "| Messages | | size |",
        "|---|--:|--:|",
        "| Analysed | 1,200 | 3 MB |",
        "| **all** | 0 | |",
    ]


def test_a_column_may_hold_text():
    assert table(("Rule", "says", "broken"), [], align="llr")[1] == "|---|---|--:|"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "|", "\\|"])
def test_no_cell_ends_its_row(end):
    header, _, row = table(("Name", ""), [(f"a{end}b", 1)])
    assert len(row.splitlines()) == 1
    assert row.count("|") == header.count("|")


@given(st.text(), st.text())
def test_whatever_the_cells_hold_the_table_keeps_its_shape(one, other):
    _, _, row = table(("Name", "Reason"), [(one, other)])
    assert row.count("|") == 3
    assert "\n" not in row
    assert "<" not in row


@pytest.mark.parametrize(
    "text",
    ["[x](http://a)", "![x](http://a/b.png)", "<img src=x>", "`a`", "# a", "a | b", "&lt;b&gt;",
     "**a**", "~~a~~", "$x$", "a\\*b"],
)  # fmt: skip
def test_an_escaped_text_is_no_markdown(text):
    shown = escaped(text)
    assert not set("[]()<>`#|*~$\\!") & set(shown.replace("&#", ""))
    assert html.unescape(shown) == text


@given(st.text())
def test_an_escaped_text_is_one_visible_line(text):
    shown = escaped(text)
    assert visible(shown) == shown
