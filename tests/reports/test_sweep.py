"""The plan and report of a sweep."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policy.sweep import Fate
from reports.sweep import plan_number, plan_summary, sweep_summary
from schema.facts.deletion import SweepPlan, SweepReport
from schema.states import UserTier

GB = 1024**3
PLAN = SweepPlan(
    live=12_000,
    due=Counter({UserTier.FREE: 1200, UserTier.GUEST: 30}),
    due_bytes=Counter({UserTier.FREE: 10 * GB, UserTier.GUEST: 5_000_000}),
    orphans=4,
    orphan_bytes=2_000_000,
    kept=Counter({Fate.HELD.value: 7, Fate.REFUSED_KEY.value: 9}),
    without_expiry=3,
    oldest_due_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    overdue=5,
    digest="0123456789abcdef" * 4,
    sample=("audio/secret/c/m.wav",),
)
NOTHING_LEFT = SweepPlan(
    live=10_000,
    due=Counter(),
    due_bytes=Counter(),
    orphans=0,
    orphan_bytes=0,
    kept=Counter(),
    without_expiry=0,
    oldest_due_at=None,
    overdue=0,
    digest="",
    sample=(),
)
REPORT = SweepReport(
    intended=1204,
    deleted=Counter({UserTier.FREE: 1200}),
    deleted_bytes=Counter({UserTier.FREE: 10 * GB}),
    orphans=4,
    orphan_bytes=2_000_000,
    shared=1,
    extended=2,
    withdrawn=3,
    kept=Counter({Fate.HELD.value: 7}),
    failed=Counter({"AccessDenied": 6, "SlowDown": 8}),
    expiries_set=5,
)


def summary(report=REPORT, left=NOTHING_LEFT, withdrawn=0, took_seconds=90, waited_seconds=0):
    return sweep_summary(
        report,
        left=left,
        withdrawn=withdrawn,
        took=timedelta(seconds=took_seconds),
        waited=timedelta(seconds=waited_seconds),
    )


def test_waiting_for_approval_is_not_work():
    shown = summary(took_seconds=214, waited_seconds=180)
    assert "Took 34 s, and waited 3.0 minutes for approval." in shown


def test_a_plan_shows_how_much_is_due_since_when_and_what_it_saves():
    lines = plan_summary(PLAN).splitlines()
    for line in (
        "1,234 of 12,000 objects are due. Plan `0123456789ab`.",
        "| free | 1,200 | 10.0 GB |",
        "| guest | 30 | 4.77 MB |",
        "| orphans | 4 | 1.91 MB |",
        "| **all** | 1,234 | 10.0 GB |",
        "Saves $0.20 per month.",
        "The oldest has been due since 2026-01-02 03:04 UTC.",
        "3 recordings have no expiry date yet; a real sweep sets it.",
        "| legal hold | 7 |",
        "| key refused | 9 |",
    ):
        assert line in lines
    assert "plus" not in plan_summary(PLAN)


def test_a_plan_of_nothing_has_no_empty_tables():
    text = plan_summary(NOTHING_LEFT)
    assert "0 of 10,000 objects are due" in text
    assert "Due, but" not in text
    assert "None" not in text


def test_the_number_by_which_a_plan_is_approved_is_of_all_that_it_deletes():
    assert plan_number(PLAN) == PLAN.digest[:12]


def test_a_summary_shows_what_was_deleted_and_what_was_not():
    lines = summary(withdrawn=2).splitlines()
    for line in (
        "| free | 1,200 | 10.0 GB |",
        "| orphans | 4 | 1.91 MB |",
        "| **all** | 1,204 | 10.0 GB |",
        "Saves $0.20 per month. Took 90 s.",
        "| expired, but another message still uses the object | 1 |",
        "| extended to match the owner's current tier | 2 |",
        "| held or changed just before deletion | 3 |",
        "| given a missing expiry date | 5 |",
        "| withdrawn from an interrupted run | 2 |",
        "| legal hold | 7 |",
        "| AccessDenied | 6 |",
    ):
        assert line in lines
    assert lines.index("| SlowDown | 8 |") < lines.index("| AccessDenied | 6 |")


@pytest.mark.parametrize(
    ("report", "left", "words"),
    [
        (replace(REPORT, broken="The bucket failed."), {}, "stopped early.** The bucket failed."),
        (
            REPORT,
            {"orphans": 2, "oldest_due_at": datetime(2026, 1, 2, tzinfo=UTC)},
            "2 objects are still due, the oldest since 2026-01-02",
        ),
        (REPORT, {"orphans": 2}, "2 objects are still due; the next sweep continues."),
        (REPORT, {"overdue": 5}, "5 recordings are more than 3 days overdue"),
        (REPORT, {"without_expiry": 6}, "1 recording has no expiry date"),
    ],
    ids=["broken", "left", "orphans left", "overdue", "without an end"],
)
def test_a_summary_shows_remaining_work_only_if_there_is_some(report, left, words):
    assert words in summary(report, replace(NOTHING_LEFT, **left))
    assert words not in summary()


def test_nothing_that_identifies_a_learner_is_shown():
    assert "audio/" not in plan_summary(PLAN) + summary(left=PLAN)


def test_reports_add_up():
    twice = REPORT + replace(REPORT, broken="The bucket failed.")
    assert (twice.objects, twice.intended, twice.size_bytes) == (2408, 2408, 2 * REPORT.size_bytes)
    assert twice.failed == {"AccessDenied": 12, "SlowDown": 16}
    assert (twice + REPORT).broken == "The bucket failed."
    rest = (twice.shared, twice.extended, twice.withdrawn, twice.expiries_set, twice.orphans)
    assert rest == (2, 4, 6, 10, 8)
    assert twice.kept == {"legal hold": 14}
