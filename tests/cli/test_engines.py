import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from policy.languages import TAUGHT
from tasks.analysis import voice


@pytest.fixture
def listed(monkeypatch):
    for name in ("KAIWA_ENGINE", "KAIWA_LANGUAGE_ENGINES"):
        monkeypatch.delenv(name, raising=False)

    def _listed(*options):
        result = CliRunner().invoke(app, ["engines", *options])
        assert result.exit_code == 0, result.output
        return result.output

    return _listed


def test_each_language_is_listed_with_its_engine(listed):
    facts = json.loads(listed("--json"))
    assert set(facts["languages"]) == TAUGHT
    assert (facts["languages"]["en"], facts["languages"]["ja"]) == ("kaiwa-large", "dtw")
    assert facts["missing"] == []
    assert facts["installed"]["kaiwa"]["languages"] == ["en"]


def test_people_read_a_table(listed):
    output = listed()
    assert "kaiwa-large: en\n" in output
    assert "dtw: de es fil fr hi id it ja ko nl pt ru tr vi zh" in output
    assert "pip install" not in output


def test_what_is_missing_is_named_with_its_remedy(listed, monkeypatch):
    monkeypatch.setattr(voice, "is_installed", lambda: False)
    output = " ".join(listed().split())
    assert "Nothing analyses de es fil" in output
    assert "pip install 'kaiwa-audio[languages]'" in output


def test_the_choice_of_the_deployment_is_shown(listed, monkeypatch):
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", "en=kaiwa")
    assert json.loads(listed("--json"))["languages"]["en"] == "kaiwa"
