"""Output of `kaiwa-audio engines`."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from policy.languages import TAUGHT
from speech import engine as speech_engine
from tasks.analysis import voice


def engines(*arguments):
    done = CliRunner().invoke(app, ["engines", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def as_json():
    shown = json.loads(engines("--json"))
    return {one["engine"]: one for one in shown["engines"]}, shown["languages"]


@pytest.fixture
def _no_voice(monkeypatch):
    monkeypatch.setattr(voice, "is_installed", lambda: False)


@pytest.fixture
def _with_voice():
    pytest.importorskip("espeakng_loader")


def test_each_engine_is_listed_with_its_versions():
    listed, _ = as_json()
    assert set(listed) == set(speech_engine.LANGUAGES)
    for name, one in listed.items():
        assert one["version"] == speech_engine.VERSION
        assert one["model_version"] == speech_engine.model_version(name)


@pytest.mark.usefixtures("_with_voice")
def test_auto_takes_an_engine_for_each_language_of_the_app():
    pytest.importorskip("sudachipy")
    pytest.importorskip("rjieba")
    _, taken = as_json()
    assert taken == {one: "kaiwa-large" if one == "en" else "dtw" for one in sorted(TAUGHT)}


@pytest.mark.usefixtures("_with_voice")
def test_a_deployments_choice_for_a_language_is_shown(monkeypatch):
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", "en=kaiwa")
    _, taken = as_json()
    assert taken["en"] == "kaiwa"


@pytest.mark.usefixtures("_no_voice")
def test_what_is_missing_is_named_with_the_command_that_installs_it():
    listed, taken = as_json()
    assert listed["dtw"]["languages"] == []
    assert listed["dtw"]["missing"] == sorted(TAUGHT)
    assert taken["ja"] is None
    text = engines()
    assert "pip install 'kaiwa-audio[languages]'" in text
    assert "none: recordings wait" in text


def test_the_table_names_engines_and_languages():
    text = engines()
    assert all(name in text for name in speech_engine.LANGUAGES)
    assert all(any(line.split()[:1] == [one] for line in text.splitlines()) for one in TAUGHT)
