"""Exported tables contain the measurement, for spreadsheets and programs."""

import io
from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from reports.cost_exports import exports, tables
from tests.support.costs import groups, measured, nothing_measured

NAMES = {
    "summary",
    "by_tier",
    "by_language",
    "by_format",
    "by_age",
    "daily",
    "forecast",
    "crossings",
    "failures",
}


@pytest.mark.parametrize("report", [measured(), nothing_measured()], ids=["much", "nothing"])
def test_every_table_is_written_as_csv_and_parquet_with_the_same_content(report):
    files = exports(report)
    assert set(files) == {f"{name}.{kind}" for name in NAMES for kind in ("csv", "parquet")}
    for name, frame in tables(report).items():
        assert_frame_equal(pl.read_parquet(io.BytesIO(files[f"{name}.parquet"])), frame)
        read = pl.read_csv(io.BytesIO(files[f"{name}.csv"]), infer_schema=False)
        assert (read.columns, read.height) == (frame.columns, frame.height)


def test_the_summary_is_one_row_of_single_figures():
    report = measured()
    (row,) = tables(report)["summary"].iter_rows(named=True)
    assert row["as_of"] == report.as_of
    assert row["bytes"] == report.bytes
    assert row["total_usd_month"] == pytest.approx(report.cost.total_usd)
    assert row["total_usd_month_before"] == pytest.approx(report.cost_before.total_usd)
    assert row["transfer_source"] == "estimate"
    assert row["failed"] == 12


def test_tables_keep_their_types_when_nothing_is_known():
    much, nothing = tables(measured()), tables(nothing_measured())
    for name in NAMES:
        assert nothing[name].schema == much[name].schema


def test_odd_names_are_exported_as_they_are():
    name = 'a|b\n"c",<d>'
    files = exports(measured(by_language=groups(**{name: 1})))
    read = pl.read_csv(io.BytesIO(files["by_language.csv"]))
    assert read["group"].to_list() == [name]


BEGINNINGS = "=+-@＝＋－＠﹦﹢﹣﹫"  # noqa: RUF001 - what spreadsheets take for a formula
BEFORE = ["", " ", "\u3000", "\t", "\r", "\n", "'", '"', "\ufeff", "\u200b", "\x00", "' \""]


@pytest.mark.parametrize(
    "name",
    [f"{before}{begin}1+1" for before in BEFORE for begin in BEGINNINGS]
    + ["\tx", "\rx", "\nx", "=HYPERLINK(A1)", "-1"],
    ids=ascii,
)
def test_a_name_is_no_formula_to_spreadsheets_and_itself_to_programs(name):
    files = exports(measured(by_language=groups(**{name: 1, "en-GB": 1})))
    read = pl.read_csv(io.BytesIO(files["by_language.csv"]))
    assert read["group"].to_list() == [f"'{name}", "en-GB"]
    parquet = pl.read_parquet(io.BytesIO(files["by_language.parquet"]))
    assert parquet["group"].to_list() == [name, "en-GB"]


def test_a_spreadsheet_with_another_separator_finds_no_formula_in_the_middle_of_a_name():
    files = exports(measured(by_language=groups(**{"a;=1+1": 1, "b\t=1+1": 1})))
    lines = files["by_language.csv"].decode().splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ['"a;=1+1"', '"b\t=1+1"']


def test_numbers_stay_numbers_even_negative_ones():
    report = replace(measured(), kept_everything_usd=-1.5)
    files = exports(report)
    for name, frame in tables(report).items():
        read = pl.read_csv(io.BytesIO(files[f"{name}.csv"]), try_parse_dates=False)
        numeric = [n for n, kind in frame.schema.items() if kind.is_numeric()]
        for column in numeric:
            if frame[column].drop_nulls().len():
                assert read.schema[column].is_numeric(), (name, column)
    assert ",-1.5," in files["summary.csv"].decode()
