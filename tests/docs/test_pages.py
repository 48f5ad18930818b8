"""The documentation names everything that exists, and nothing else."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

import schema.errors
from schema.errors.base import KaiwaError
from schema.errors.storage import StorageError
from settings import environment

PROJECT = Path(__file__).parents[2]
PAGES = [
    page for pages in ("*.md", "docs/**/*.md", "speech/models/*.md") for page in PROJECT.glob(pages)
]
PACKAGES = (
    "cli",
    "deployments",
    "flows",
    "policy",
    "reports",
    "schema",
    "speech",
    "stores",
    "tasks",
)
FOLDERS = {path.name for path in PROJECT.iterdir() if path.is_dir()} - {".git", ".venv", ".local"}
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    text = CODE.sub(lambda code: "" if "\n" in code[0] else code[0], page.read_text())
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_relative_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("code", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_named_paths_exist(page):
    """Paths in code, such as `docs/flows.md`, are relative to the project."""
    for code in re.findall(r"`([\w.-]+(?:/[\w.*-]+)+/?)`", page.read_text()):
        if code.split("/")[0] in FOLDERS:
            assert list(PROJECT.glob(code.rstrip("/"))), code


def test_every_error_is_explained():
    for module in pkgutil.iter_modules(schema.errors.__path__):
        importlib.import_module(f"schema.errors.{module.name}")
    errors = {
        error.__name__
        for error in (*KaiwaError.__subclasses__(), *StorageError.__subclasses__())
        if error.__module__.startswith("schema.errors") and error is not StorageError
    }
    explained = re.findall(r"`(\w+)`", first_cells("troubleshooting.md", "Error"))
    assert sorted(explained) == sorted(errors)


def test_every_variable_is_explained():
    settings = (
        environment.DatabaseSettings,
        environment.BucketSettings,
        environment.ClusterSettings,
        environment.ReportSettings,
        environment.AnalysisSettings,
        environment.EngineSettings,
        environment.NotificationSettings,
    )
    names = []
    for model in settings:
        for name, field in model.model_fields.items():
            alias = field.validation_alias or name.upper()
            names += alias.choices if isinstance(alias, AliasChoices) else [alias]
    page = (PROJECT / "docs/configuration.md").read_text()
    assert set(names) == set(re.findall(r"`([A-Z]+(?:_[A-Z0-9]+)+)`", page)) - {"PREFECT_API_URL"}


def test_the_documented_folder_of_reports_is_the_default():
    page = (PROJECT / "docs/configuration.md").read_text()
    documented = re.search(r"^\| `KAIWA_REPORTS_DIR` \|.*\| `(\S+)` \|$", page, re.MULTILINE)
    default = environment.ReportSettings.model_fields["reports_dir"].default
    assert documented[1] == str(default)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_named_modules_and_their_names_exist(page):
    for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`", page.read_text()):
        assert pkgutil.resolve_name(name), name


def first_cells(name, header):
    """Return the first cells of the tables with this header."""
    tables = re.findall(
        rf"^\| {header} \|.*\n((?:\|.*\n?)+)", (PROJECT / "docs" / name).read_text(), re.MULTILINE
    )
    return "\n".join(line.split("|")[1] for table in tables for line in table.splitlines())


SECURITY = (PROJECT / "docs/security.md").read_text()


def test_each_attack_names_a_test_that_makes_it():
    links = re.findall(r"\[([^\]]+)\]\(\.\./(tests/[^)]+)\)", SECURITY)
    assert len(links) > 50
    for words, path in links:
        assert f"def test_{words.replace(' ', '_')}(" in (PROJECT / path).read_text(), words


def test_the_attacks_are_counted():
    results = re.findall(r"^\|.*\| (held|closed) \|", SECURITY, re.MULTILINE)
    held, closed = results.count("held"), results.count("closed")
    said = " ".join(SECURITY.split())
    assert f"{held + closed} kinds of attack were tried: {held} failed from the start" in said
    assert f"{closed} worked" in said
