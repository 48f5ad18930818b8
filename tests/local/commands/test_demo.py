"""`python -m local demo` and what it reads from the environment."""

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.demo import run
from settings.demo import DemoSettings


@pytest.fixture
def demonstrated(monkeypatch):
    """Calls of the demo, which does not run."""
    calls = []
    monkeypatch.setattr(run, "run_demo", lambda *arguments: calls.append(arguments[:2]))
    return calls


@pytest.mark.parametrize("variables", [{}, {"CORPUS": ""}])
def test_without_a_corpus_the_learners_are_synthetic(variables, monkeypatch):
    monkeypatch.delenv("CORPUS", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert DemoSettings().corpus is None


def test_the_corpus_and_the_folder_reach_the_demo(tmp_path, monkeypatch, demonstrated):
    monkeypatch.setenv("CORPUS", str(tmp_path))
    result = CliRunner().invoke(app, ["demo", "--folder", str(tmp_path / "local")])
    assert result.exit_code == 0, result.output
    assert demonstrated == [(tmp_path / "local", tmp_path)]


def test_a_corpus_that_is_not_there_is_named_and_nothing_starts(
    tmp_path, monkeypatch, demonstrated
):
    monkeypatch.setenv("CORPUS", str(tmp_path / "missing"))
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "corpus" in result.output.lower()
    assert demonstrated == []
