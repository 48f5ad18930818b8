"""The report of a reconciliation's findings."""

from datetime import UTC, datetime, timedelta

import pytest

from reports.reconciliation import summary
from schema.facts.bucket import FindingReport, ReconciliationReport
from schema.states import FindingKind

OLDEST = datetime(2025, 3, 1, tzinfo=UTC)
TOOK = timedelta(seconds=90)


def finding(kind, *examples, queued=0):
    return FindingReport(kind, 1200, 5_000_000, OLDEST, queued, examples)


def report(*findings, elsewhere=0, adopted=0):
    return ReconciliationReport(1_000_000, 240_000_000, 999_000, elsewhere, findings, adopted)


def test_agreement_is_said_in_a_sentence():
    text = summary(report(), repair=False, took=TOOK)
    assert "1,000,000 objects (229 MB) and 999,000 rows that refer to one, in 90 s." in text
    assert "**Bucket and messages agree.**" in text


@pytest.mark.parametrize("kind", list(FindingKind))
def test_each_kind_is_counted_and_comes_with_advice_and_examples(kind):
    text = summary(report(finding(kind, "audio/1", queued=7)), repair=True, took=TOOK)
    assert "| 1,200 | 4.77 MB | 2025-03-01 | 7 |" in text
    assert '```\n"audio/1"\n```' in text
    assert "audio_ops.reconciliation_finding" in text
    assert "agree" not in text


def test_a_run_that_queued_nothing_says_so():
    found = report(finding(FindingKind.OBJECT_WITHOUT_ROW, "audio/1"))
    assert "`repair` is off" in summary(found, repair=False, took=TOOK)
    assert "`repair` is off" not in summary(found, repair=True, took=TOOK)


def test_rows_elsewhere_are_reported():
    assert "3 rows have keys outside the prefix" in summary(
        report(elsewhere=3), repair=False, took=TOOK
    )


def test_adopted_objects_are_reported_and_without_repair_the_adoptable_ones():
    done = summary(report(adopted=1234), repair=True, took=TOOK)
    assert "Uploaded before the message was saved: 1,234 objects, now attached" in done
    to_do = summary(report(adopted=1234), repair=False, took=TOOK)
    assert "run with `repair` on to attach" in to_do
    assert "before their message" not in summary(report(), repair=True, took=TOOK)


def test_no_key_gets_out_of_its_block():
    key = "audio/\n```\n# <script>\u2028| \x1b[31m"
    text = summary(report(finding(FindingKind.OBJECT_WITHOUT_ROW, key)), repair=False, took=TOOK)
    assert text.count("\n```") == 2
    assert "\x1b" not in text
    assert "\u2028" not in text
