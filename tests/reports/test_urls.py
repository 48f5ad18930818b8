from datetime import timedelta

from reports.urls import summary
from schema.facts.urls import UrlReport

REPORT = UrlReport(signed=120_000, fresh=7, inactive=6, due=5, refused=4, changed=3)


def shown(report=REPORT, *, broken_spans=0, dry_run=False, seconds=10):
    return summary(
        report, broken_spans=broken_spans, dry_run=dry_run, took=timedelta(seconds=seconds)
    )


def test_every_count_is_shown_with_the_pace():
    text = shown()
    for count in ("| 120,000 |", "| 7 |", "| 6 |", "| 5 |", "| 4 |", "| 3 |"):
        assert count in text
    assert "Took 10 s, 12,000 URLs/s." in text


def test_refused_keys_and_broken_spans_are_mentioned_only_if_there_are_any():
    assert "**4 keys are refused**" in shown()
    assert "**2 spans failed**" in shown(broken_spans=2)
    assert "**" not in shown(UrlReport(signed=1))


def test_a_dry_run_does_not_claim_to_have_signed():
    assert "| Signed |" in shown()
    assert "| Signed |" not in shown(dry_run=True)
    assert "a dry run writes nothing" in shown(dry_run=True)


def test_a_run_that_signed_nothing_has_no_pace():
    assert "Took 0 s.\n" in shown(UrlReport(fresh=3), seconds=0)
