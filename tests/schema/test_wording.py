import re
from pathlib import Path

import pytest

from schema.wording import agreeing, counted

PROJECT = Path(__file__).parents[2]
SHIPPED = (
    "cli",
    "deployments",
    "flows",
    "policy",
    "reports",
    "schema",
    "stores",
    "tasks",
    "local",
    "migrations",
)
# A number and a plural in one text: `{left:,} objects`, `%d messages`; constants are known.
FIXED_PLURAL = re.compile(
    r"(?:\{(?!counted|agreeing|[A-Z])[^{}!]*\}|%d) (?:\w+ )?"
    r"(?:analyses|cases|chunks|deletions|entries|findings|keys|messages|objects|orphans|"
    r"pages|pictures|recordings|revisions|rows|rules|runs|scores|spans|steps|texts|URLs|versions|"
    r"workers)\b(?!/)"
)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 recordings"), (1, "1 recording"), (2, "2 recordings"), (1234, "1,234 recordings")],
)
def test_a_noun_agrees_with_its_count(count, text):
    assert counted(count, "recording") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 analyses"), (1, "1 analysis")])
def test_an_irregular_plural_is_given(count, text):
    assert counted(count, "analysis", "analyses") == text


def test_a_verb_agrees_with_its_count():
    assert counted(1, "object is", "objects are") == "1 object is"
    assert [agreeing(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]


@pytest.mark.parametrize("package", SHIPPED)
def test_no_text_has_a_plural_for_every_count(package):
    found = [
        f"{path.relative_to(PROJECT)}: {match[0]}"
        for path in sorted((PROJECT / package).rglob("*.py"))
        for match in FIXED_PLURAL.finditer(path.read_text())
    ]
    assert found == []
