"""The summary of an analysis run."""

from collections import Counter
from datetime import timedelta

from reports.analysis import languages_line, summary
from schema.facts.analysis import AnalysisReport
from schema.states import FailureCause
from stores.quality.rules.catalogue import RULES

REPORT = AnalysisReport(
    claimed=1210,
    analyzed=1200,
    failed=6,
    retried=2,
    quarantined=1,
    lost=1,
    causes=Counter({FailureCause.NO_SPEECH: 6, FailureCause.TIMED_OUT: 2, FailureCause.CRASHED: 1}),
    audio_seconds=6000,
    cpu_seconds=120,
)


def test_the_summary_shows_all_counts_and_the_pace():
    text = summary(REPORT, rules=RULES, broken_chunks=0, took=timedelta(seconds=60))
    for line in (
        "| Analysed | 1,200 |",
        "| Quarantined: killed their worker process | 1 |",
        "| **Claimed in total** | 1,210 |",
        "| no speech | 6 |",
        "100.0 minutes of audio in 60 s: 100 times real time, 50 times per core.",
    ):
        assert line in text.splitlines()
    assert "chunks failed" not in text


def test_causes_come_with_the_commonest_first():
    text = summary(REPORT, rules=RULES, broken_chunks=0, took=timedelta(seconds=60))
    assert text.index("no speech") < text.index("timed out") < text.index("crashed")


def test_failed_chunks_are_reported():
    text = summary(AnalysisReport(), rules=RULES, broken_chunks=2, took=timedelta(seconds=3))
    assert "**2 chunks failed**" in text
    assert "no audio was analysed" in text


def test_broken_rules_are_listed_with_the_commonest_first():
    rules = Counter({"timings_in_text": 1, "quick_scores": 2})
    report = AnalysisReport(claimed=9, analyzed=9, broken=2, broken_rules=rules)
    text = summary(report + report, rules=RULES, broken_chunks=0, took=timedelta(seconds=60))
    assert "**4 of these analyses break data quality rules**" in text
    expected = ["| a message's three scores equal its analysis' | 4 |"]
    expected += ["| words lie inside the message's text | 2 |"]
    assert [line for line in text.splitlines() if line in expected] == expected


def test_languages_without_an_engine_are_listed_with_the_commonest_first():
    waiting = Counter({"ko": 12, "ja": 1234, "x|y": 1})
    report = AnalysisReport(without_engine=waiting, scores_put_back=1200)
    text = summary(report, rules=RULES, broken_chunks=0, took=timedelta(seconds=3))
    table = ["| Waiting for an engine | |", "|---|--:|", "| ja | 1,234 |", "| ko | 12 |"]
    assert "\n".join(table) in text
    assert "| x|y |" not in text
    assert "1,200 scores restored that the app had cleared." in text
    assert languages_line(waiting).startswith("ja 1,234; ko 12; ")


def test_reports_add_up():
    both = AnalysisReport(scores_put_back=2, without_engine=Counter(ja=1)) + AnalysisReport(
        without_engine=Counter(ja=2)
    )
    assert (both.scores_put_back, both.without_engine) == (2, {"ja": 3})
    twice = REPORT + REPORT
    assert (twice.claimed, twice.not_analyzed) == (2420, 18)
    assert twice.causes[FailureCause.NO_SPEECH] == 12
