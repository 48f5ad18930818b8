"""Formatting of sizes, amounts of money and untrusted names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.wording import amount, byte_unit, dollars, duration, plain

GB = 1024**3


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 bytes"),
        (100, "0.10 kB"),
        (1024**2 - 1, "1,024 kB"),
        (1024**2, "1.00 MB"),
        (GB, "1.00 GB"),
        (31.94 * GB, "31.9 GB"),
        (-2 * GB, "-2.00 GB"),
        (12_345 * GB, "12,345 GB"),
    ],
)
def test_a_size_is_shown_in_its_largest_unit(size_bytes, words):
    assert amount(size_bytes) == words


def test_a_gb_is_the_apps():
    assert byte_unit(10**9).name == "MB"
    assert byte_unit(GB).name == "GB"


@pytest.mark.parametrize(
    ("usd", "decimals", "words"),
    [
        (0, 2, "$0.00"),
        (0.0099, 2, "$0.0099"),
        (-0.00034, 2, "-$0.00034"),
        (0.0000004, 2, "under $0.000001"),
        (0.0000004, 8, "$0.00000040"),
        (0.01, 2, "$0.01"),
        (1234.5, 2, "$1,234.50"),
        (-1.5, 2, "-$1.50"),
        (0.00034, 4, "$0.0003"),
        (0.000012, 4, "$0.000012"),
    ],
)
def test_a_small_cost_is_never_shown_as_zero(usd, decimals, words):
    assert dollars(usd, decimals) == words


def test_a_short_time_is_shown_in_minutes():
    assert duration(59.94) == "59.9 minutes"
    assert duration(60) == "1.0 hours"


@pytest.mark.parametrize("name", ["en", "pt-BR", "audio/wav", "g711_ulaw", "> 365 days", "日本語"])
def test_real_names_stay_as_they_are(name):
    assert plain(name) == name


@pytest.mark.parametrize("name", ["", "  ", "\u202e", "x" * 1000])
def test_unreadable_names_are_made_visible_and_short(name):
    assert plain(name).strip()
    assert len(plain(name)) <= 40


@given(st.text())
def test_nothing_that_markdown_html_or_a_terminal_would_obey_gets_through(name):
    shown = plain(name)
    assert not set(shown) & set("|`<&[]*\\~#!$\"'\n\r\t\x1b\u2028\u202e")
    assert shown.isprintable()
