"""No artifact lets a name, an id, a key or a server's answer control, deceive, load or link."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.backfill import estimate
from policy.costs import prices_of
from policy.score_changes import compare
from reports import analysis, backfill, costs, quality, reconciliation, sweep
from schema.facts.analysis import AnalysisReport, EngineRelease
from schema.facts.backfill import (
    BackfillPlan,
    BackfillProgress,
    Rescored,
    RescoredMessage,
    SelectedGroup,
)
from schema.facts.bucket import FindingReport, ReconciliationReport
from schema.facts.deletion import SweepPlan, SweepReport
from schema.facts.quality import QualityReport, RuleResult
from schema.states import AnalysisEngine, BackfillOutcome, CheckScope, FindingKind
from schema.visible import visible
from stores.quality.rules.catalogue import RULES
from tests.schema.test_visible import HOSTILE
from tests.support.costs import groups, measured

MARKDOWN = [
    "![x](http://evil.example/a.png)", "[Approve](http://evil.example)", "<img src=x onerror=y>",
    "a | b | c", "```", "`x`", "\n# Approved", "\n\n| a | b |\n", "<script>alert(1)</script>",
    "&lt;img src=x&gt;", "x](http://evil.example) [y",
]  # fmt: skip
STORABLE = [text for text in HOSTILE.values() if "\udc80" not in text]
SECOND = timedelta(seconds=1)
NOW = datetime(2026, 1, 5, tzinfo=UTC)


def analyses(evil):
    report = AnalysisReport(claimed=1, without_engine=Counter({evil: 2}))
    yield analysis.summary(report, rules=RULES, broken_chunks=0, took=SECOND)
    yield analysis.languages_line(Counter({evil: 2}))


def backfills(evil):
    plan = BackfillPlan(
        (SelectedGroup(evil, evil, 3, 60.0, 1024),), gone=0, newer=0, done=0,
        unknown_languages=Counter({evil: 1}),
    )  # fmt: skip
    cost = estimate(
        plan,
        engine=AnalysisEngine.KAIWA,
        limit=None,
        cores=1,
        times_real_time=100.0,
        prices=prices_of(),
    )
    yield backfill.plan_summary(plan, cost, EngineRelease("kaiwa", "2.0", "en"))
    progress = BackfillProgress(1, Counter({BackfillOutcome.FAILED: 1}), causes=Counter({evil: 1}))
    changes = compare([Rescored(evil, score, 50, 60, 1) for score in ("accuracy", "fluency")])
    changed = [RescoredMessage(evil, 1, 2, 3, 4)]
    yield backfill.canary_summary(progress, changed, changes, None)
    yield backfill.report_summary(
        1, progress, {evil: changes}, rules=RULES, broken={}, took=SECOND, waited=timedelta()
    )


def measurements(evil):
    named = groups(**{evil: 1000})
    report = measured(by_tier=named, by_language=named, by_format=named)
    yield costs.summary(report)
    yield from (cell for row in costs.group_table("tier", named) for cell in row.values())


def checks(evil):
    results = tuple(RuleResult(name, rule.severity, 10, 1, (evil,)) for name, rule in RULES.items())
    report = QualityReport(
        1, CheckScope.CHANGED, 10, results=results, failing=1, quarantined=1, released=0,
        sampled=0, missing=0, bucket_problem=evil,
    )  # fmt: skip
    yield quality.summary(report, rules=RULES, earlier={}, allowed_percent=1.0, took=SECOND)


def reconciliations(evil):
    found = tuple(FindingReport(kind, 1, 1, NOW, 0, (evil,)) for kind in FindingKind)
    report = ReconciliationReport(1, 1, 1, 0, found, 0)
    yield reconciliation.summary(report, repair=False, took=SECOND)


def sweeps(evil):
    empty = SweepPlan(
        live=1, due=Counter(), due_bytes=Counter(), orphans=0, orphan_bytes=0, kept=Counter(),
        without_expiry=0, oldest_due_at=None, overdue=0, digest="", sample=(evil,),
    )  # fmt: skip
    yield sweep.plan_summary(replace(empty, digest="ab" * 32))
    report = SweepReport(broken=evil)
    yield sweep.sweep_summary(report, left=empty, withdrawn=0, took=SECOND, waited=timedelta())


ARTIFACTS = [analyses, backfills, measurements, checks, reconciliations, sweeps]


def outside_code(page):
    """Return a page without its blocks and spans of code, which show everything as it is."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?ms)^```$.*?^```$", "", page))


def check(page):
    assert visible(page, keep="\n") == page
    assert len(re.findall(r"(?m)^```$", page)) % 2 == 0
    text = outside_code(page)
    assert not re.search(r"!?\[[^\]]*\]\(|<[a-z/!]|`|^# Approved|\| a \| b \|", text, re.M)


@pytest.mark.parametrize("evil", [*STORABLE, *MARKDOWN], ids=ascii)
@pytest.mark.parametrize("pages", ARTIFACTS, ids=lambda pages: pages.__name__)
def test_an_artifact_shows_hostile_values_as_they_are(pages, evil):
    for page in pages(evil):
        check(page)


@given(st.text(min_size=1), st.sampled_from(ARTIFACTS))
def test_an_artifact_stays_harmless_whatever_it_holds(evil, pages):
    for page in pages(evil):
        check(page)
