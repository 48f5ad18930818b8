"""Data Docs: their content, without external resources."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa

from stores.quality import data_docs
from tests.support.checked_tables import (
    ANALYSIS_RULES,
    MESSAGE_RULES,
    add_analysis,
    add_message,
    checked_tables,
    validate,
)

CHECKED_AT = datetime(2025, 10, 13, 4, tzinfo=UTC)
PAGES = {"index.html", "messages.html", "message_audio_analysis.html"}


@pytest.fixture
def results(engine):
    """Results for two messages, one of them bad."""
    with checked_tables(engine) as connection:
        add_message(connection, "good")
        add_message(
            connection,
            "bad-id",
            pronunciation_score=-1,
            audio_format="<script>Meine Oma</script>",
            quick_scores="pronunciation_score 80, overall_accuracy_score 75",
        )
        add_analysis(connection, "good")
        return json.loads(json.dumps(validate(connection).results))


@pytest.fixture
def folder(tmp_path, results):
    """A folder with the pages of these results."""
    data_docs.write(tmp_path / "reports" / "data-docs", results, checked_at=CHECKED_AT)
    return tmp_path / "reports" / "data-docs"


class Page(HTMLParser):
    """Elements and texts of an HTML file."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags, self.links, self.ids, self.texts = path, set(), set(), set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in {"src", "href", "srcset", "action", "data", "poster", "background"}:
                self.links.add(value)
            elif name == "style":
                assert "url(" not in value

    def handle_data(self, text):
        self.texts.append(text)


def pages(folder):
    return {path.name: Page(path) for path in folder.iterdir()}


def test_the_site_has_one_page_for_each_table(folder):
    assert set(pages(folder)) == PAGES


def test_nothing_comes_from_elsewhere(folder):
    for page in pages(folder).values():
        assert not page.tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
        for link in page.links - {"data:,"}:
            assert not re.match(r"[a-z+.-]+:|//|/", link), link
        assert not re.search(r"url\(|@import|//", page.path.read_text())


def test_every_link_leads_somewhere(folder):
    site = pages(folder)
    for page in site.values():
        for link in page.links - {"data:,"}:
            name, _, fragment = link.partition("#")
            target = site[name] if name else page
            assert not fragment or fragment in target.ids, link


def test_every_rule_is_on_its_tables_page(folder):
    site = pages(folder)
    for table, rules in (("messages", MESSAGE_RULES), ("message_audio_analysis", ANALYSIS_RULES)):
        text = " ".join(site[f"{table}.html"].texts)
        for rule in rules.values():
            assert f"{rule.name}: {rule.says}" in text


def test_the_first_page_names_what_is_broken(folder):
    text = " ".join(" ".join(pages(folder)["index.html"].texts).split())
    assert "2025-10-13 at 04:00 UTC" in text
    assert "28 expectations, ✗ 3 not met" in text
    assert "24 expectations, ✓ all met" in text
    assert "pronunciation_score_range: pronunciation scores lie in 0-100 critical 1 2" in text
    assert "audio_format: the format is one that is decoded warning 1 2" in text


def test_no_address_and_no_row_is_shown(folder, postgres):
    url = sa.make_url(postgres.url())
    for page in pages(folder).values():
        text = page.path.read_text()
        for secret in (url.password, url.host, str(url.port), "bad-id", "Oma", "nobody@", "SELECT"):
            assert secret not in text


def test_a_new_site_takes_the_place_of_the_old_one(folder, results):
    (folder / "left-over.html").touch()
    data_docs.write(folder, {"messages": results["messages"]}, checked_at=CHECKED_AT)
    assert set(pages(folder)) == PAGES - {"message_audio_analysis.html"}
    assert [path.name for path in folder.parent.iterdir()] == ["data-docs"]


def test_a_site_that_cannot_be_made_leaves_the_old_one(folder, results, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        data_docs.write(folder, results, checked_at=CHECKED_AT)
    monkeypatch.undo()
    assert set(pages(folder)) == PAGES
    assert [path.name for path in folder.parent.iterdir()] == ["data-docs"]


def test_results_of_empty_tables_make_a_site(engine, tmp_path):
    with checked_tables(engine) as connection:
        results = validate(connection).results
    index = data_docs.write(tmp_path / "data-docs", results, checked_at=CHECKED_AT)
    assert index == tmp_path / "data-docs" / "index.html"
    assert "bad" not in {word for page in pages(index.parent).values() for word in page.texts}
