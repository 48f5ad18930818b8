"""The Markdown of a check of data quality."""

from datetime import timedelta

import pytest

from reports.quality import summary
from schema.facts.quality import QualityReport, RuleResult
from schema.states import CheckScope
from stores.quality.rules.catalogue import RULES


@pytest.fixture
def page():
    def _page(broken=(), earlier=None, **facts):
        examples = dict(broken)
        results = tuple(
            RuleResult(
                name, rule.severity, 1000, len(examples.get(name, ())), examples.get(name, ())
            )
            for name, rule in RULES.items()
        )
        numbers = {
            "failing": 0,
            "quarantined": 0,
            "released": 0,
            "sampled": 0,
            "missing": 0,
            **facts,
        }
        report = QualityReport(1, CheckScope.CHANGED, 1000, results=results, **numbers)
        return summary(
            report,
            rules=RULES,
            earlier=earlier or {},
            allowed_percent=1.0,
            took=timedelta(seconds=3),
        )

    return _page


def test_a_check_without_a_finding_says_so(page):
    text = page()
    assert "**Every rule holds.**" in text
    assert all(f"`{name}`" in text for name in RULES)


def test_failures_are_listed_before_warnings(page):
    text = page([("pcm_size", ("a", "b")), ("quick_scores", ("c",))], failing=1)
    assert "1 breaks a rule that fails the check: 0.1 %" in text
    assert text.index("`quick_scores`") < text.index("`pcm_size`")
    assert "| **fails** | 1 | 1,000 |" in text
    assert "| warns | 2 | 1,000 |" in text


def test_the_last_checks_are_shown_oldest_first(page):
    text = page([("quick_scores", ("c",))], {"quick_scores": [0, 12, 3], "pcm_size": [7]})
    assert "| 1 | 1,000 | 0, 12, 3 |" in text
    assert "| 1,000 | 7 |" in text


def test_hostile_ids_stay_inside_their_block(page):
    text = page([("quick_scores", ("a\n```\n# gone",))])
    assert "\n# gone" not in text
    assert text.count("```") == 2 + 1  # the id's own, inside its line


def test_a_bucket_that_could_not_be_sampled_is_reported(page):
    text = page(bucket_problem="The bucket failed to read: timed out.", sampled=0)
    assert "could not be sampled:** The bucket failed to read: timed out." in text
