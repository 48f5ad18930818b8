"""The report of storage costs."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from policy.costs import BYTES_PER_GB
from reports.costs import group_table, milestones, summary
from schema.facts.costs import Crossing, MonthlyCost, Throughput, Transfer
from schema.states import TransferSource
from tests.support.costs import forecast, groups, measured, nothing_measured

GB = BYTES_PER_GB
REPORT = measured(
    bytes=12 * GB,
    objects=4_321,
    audio_minutes=600.0,
    by_tier=groups(premium=9 * GB, free=3 * GB),
    by_language=groups(en=12 * GB),
    grace_bytes=GB,
    avoided_bytes=36 * GB,
    kept_everything_usd=0.96,
    active_learners=50,
    transfer=Transfer(15 * GB, TransferSource.ESTIMATE, 30),
    cost=MonthlyCost(0.24, 1.35, 0.06),
    cost_before=MonthlyCost(0.20, 1.45, 0.06),
    forecast=forecast(90, 12 * GB, GB / 10),
)


def test_the_first_lines_say_what_a_month_costs_for_what_and_what_has_changed():
    glance, _, _ = summary(REPORT).partition("\n### ")
    for line in (
        "**A month costs $1.65** for 12.0 GB in 4,321 recordings, 10.0 hours of audio. "
        "Price book `kaiwa`.",
        "| storage | $0.24 | $0.20 | $0.04 more |",
        "| transfer | $1.35 | $1.45 | $0.10 less |",
        "| requests | $0.06 | $0.06 | none |",
        "Transfer: 15.0 GB per month, estimated from uploads.",
        "| **all** | $1.65 | $1.71 | $0.06 less |",
        "| premium | 3,222 | 9.00 | 53.7 | $0.18 |",
    ):
        assert line in glance.splitlines()


@pytest.mark.parametrize(
    ("source", "days", "words"),
    [
        (TransferSource.STATED, 30, "as stated for this run"),
        (TransferSource.ACCESS_LOG, 12, "from the access log of 12 days"),
        (TransferSource.ESTIMATE, 0, "estimated from uploads"),
    ],
)
def test_the_source_of_the_transfer_is_always_shown(source, days, words):
    assert f"Transfer: 15.0 GB per month, {words}" in summary(
        replace(REPORT, transfer=Transfer(15 * GB, source, days))
    )


def test_without_a_past_the_past_is_unknown_and_not_free():
    text = summary(replace(REPORT, cost_before=None))
    assert "| storage | $0.24 | unknown | |" in text
    assert "more" not in text.partition("###")[0]


def test_every_view_of_the_stored_audio_is_shown():
    text = summary(REPORT)
    for heading in ("language", "format", "age"):
        assert f"### By {heading}" in text
    assert "| > 365 days |" in text


def test_the_savings_of_retention_are_shown():
    lines = summary(REPORT).splitlines()
    assert "* In the grace period (expired but still stored): 1.00 GB." in lines
    assert "* Deleted by retention so far: 36.0 GB." in lines
    assert (
        "* Without retention, storage would cost $0.96 per month; retention saves $0.72, "
        "75 % of it." in lines
    )


def test_unit_costs_are_of_the_whole_bill():
    lines = summary(REPORT).splitlines()
    assert "| 50 learners who sent audio in 30 days | $0.0330 |" in lines
    assert "| 10.00 hours of stored audio | $0.1650 |" in lines
    assert "| 600.0 minutes of stored audio | $0.002750 |" in lines


@pytest.mark.parametrize(
    ("horizon", "days"),
    [(365, [30, 90, 365]), (90, [30, 90]), (40, [30, 40]), (7, [7])],
)
def test_the_forecast_is_shown_for_one_month_three_months_and_its_end(horizon, days):
    reached = milestones(replace(REPORT, forecast=forecast(horizon, GB, 0.0)))
    assert [(day - REPORT.as_of.date()).days for day in reached["day"]] == days


def test_a_forecast_has_an_interval():
    report = replace(REPORT, forecast=forecast(30, 12 * GB, GB / 10))
    assert "| 2026-03-31 | 15.0 GB | 13.9 GB to 16.1 GB |" in summary(report)


SOON, LATER, LAST = date(2026, 4, 5), date(2026, 4, 11), date(2026, 4, 20)


@pytest.mark.parametrize(
    ("crossing", "words"),
    [
        (Crossing(12.0, None, None, None), "**The threshold of 12 GB is reached.**"),
        (
            Crossing(50.0, LATER, SOON, LAST),
            "**The threshold of 50 GB is expected to be reached on 2026-04-11**, at the earliest "
            "on 2026-04-05, at the latest on 2026-04-20.",
        ),
        (Crossing(50.0, LATER, SOON, None), "at the latest after the forecast's end."),
        (Crossing(50.0, None, SOON, None), "may be reached on 2026-04-05 at the earliest; it is"),
        (Crossing(50.0, None, None, None), "50 GB is not reached within the forecast."),
    ],
    ids=["reached", "expected", "perhaps late", "perhaps", "never"],
)
def test_a_threshold_is_shown_with_the_day_on_which_it_will_be_reached(crossing, words):
    assert words in summary(replace(REPORT, crossings=(crossing,)))


def test_throughput_and_failures_are_shown():
    done = replace(REPORT.throughput, analyzed=36)
    lines = summary(replace(REPORT, throughput=done)).splitlines()
    assert (
        "36 recordings analysed, 12 failed (25.0 %): 3.5 hours of audio in 1.5 hours of "
        "analysis, each on one core." in lines
    )
    assert lines.index("| no speech | 9 |") < lines.index("| undecodable | 3 |")


def test_unknown_values_are_pointed_out():
    by_tier = groups(free=GB, unknown=2 * GB)
    text = summary(replace(REPORT, by_tier=by_tier, unsized_objects=7))
    assert "**The tier of 716 recordings (2.00 GB) is unknown**" in text
    assert "**7 recordings have no plausible size**" in text
    complete = summary(REPORT)
    assert "is unknown**" not in complete
    assert "plausible size" not in complete


def test_the_largest_of_many_groups_are_shown_and_the_rest_counted():
    many = groups(**{f"x{number:02}": (40 - number) * GB for number in range(33)})
    text = summary(replace(REPORT, by_language=many))
    assert "| x19 |" in text
    assert "| x20 |" not in text
    assert "13 more are in `by_language.csv`." in text


def test_nothing_at_all_reads_well():
    text = summary(nothing_measured())
    assert "**A month costs $0.00** for 0 bytes in 0 recordings" in text
    assert "Nothing is stored." in text
    assert "at least two days of history are needed" in text
    assert "Nothing was analysed." in text
    for word in ("None:", "nan", "inf", "null"):
        assert word not in text.replace("None: at least", "")


HOSTILE = "x|y\n# `<img src=https://example.org/x>`[a](b)\x1b[31m"


def test_no_name_gets_out_of_its_cell():
    hostile = groups(**{HOSTILE: GB})
    failures = pl.DataFrame({"cause": [HOSTILE], "messages": [3]})
    text = summary(
        replace(
            REPORT,
            by_tier=hostile,
            by_language=hostile,
            by_format=hostile,
            throughput=Throughput(1, 3, 1.0, 1.0, failures),
        )
    )
    tame = summary(
        replace(
            REPORT,
            by_tier=groups(x=GB),
            by_language=groups(x=GB),
            by_format=groups(x=GB),
            throughput=Throughput(1, 3, 1.0, 1.0, failures.with_columns(cause=pl.lit("x"))),
        )
    )
    assert [line.count("|") for line in text.splitlines()] == [
        line.count("|") for line in tame.splitlines()
    ]
    for piece in ("<", "[", "\x1b", "\n# "):
        assert piece not in text


def test_a_table_has_a_row_for_each_group_and_no_markup_in_it():
    (row,) = group_table("language", groups(**{"<b>en": 3_000_000}))
    assert row == {
        "language": "·b>en",
        "recordings": "1",
        "size": "2.86 MB",
        "audio": "1.0 minutes",
        "storage per month": "$0.000056",
    }
