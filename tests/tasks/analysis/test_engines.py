import pytest

from policy.languages import TAUGHT
from schema.states import AnalysisEngine
from speech import engine as speech_engine
from speech.errors import UnsupportedLanguage
from tasks.analysis import engines, voice

AUTO, LARGE, KAIWA, DTW = (
    AnalysisEngine.AUTO,
    AnalysisEngine.KAIWA_LARGE,
    AnalysisEngine.KAIWA,
    AnalysisEngine.DTW,
)


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    for name in ("KAIWA_ENGINE", "KAIWA_LANGUAGE_ENGINES"):
        monkeypatch.delenv(name, raising=False)


def test_every_language_of_the_app_has_an_engine():
    chosen = engines.engines_by_language(AUTO)
    assert set(chosen) == TAUGHT
    assert chosen.pop("en") is LARGE
    assert set(chosen.values()) == {DTW}


@pytest.mark.parametrize("engine", [LARGE, KAIWA])
def test_an_engine_that_is_asked_for_analyses_only_its_languages(engine):
    assert engines.engines_by_language(engine) == {"en": engine}
    assert engines.covered_languages(engine, None) == ["en"]
    with pytest.raises(UnsupportedLanguage, match="supported: en"):
        engines.engine_for(engine, "ja")


def test_single_languages_get_another_engine_if_the_deployment_says_so(monkeypatch):
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", "en=kaiwa,ja=kaiwa")
    assert engines.engine_for(AUTO, "en-GB") is KAIWA
    assert engines.engine_for(AUTO, "ja") is DTW  # kaiwa has no Japanese
    assert engines.engine_for(LARGE, "en") is LARGE


def test_without_a_voice_only_english_is_analysed(monkeypatch):
    monkeypatch.setattr(voice, "is_installed", lambda: False)
    assert engines.engines_by_language(AUTO) == {"en": LARGE}
    assert engines.covered_languages(DTW, None) == []


def test_requested_languages_are_narrowed_to_those_with_an_engine():
    assert engines.covered_languages(AUTO, ["ja-JP", "EN", "xx"]) == ["en", "ja"]
    assert engines.covered_languages(KAIWA, ["ja"]) == []


def test_a_row_names_the_engine_of_its_language():
    assert engines.release_for(AUTO, "ja").engine == "dtw"
    assert engines.release_for(AUTO, "en") == engines.installed_release(LARGE)


def test_auto_is_known_by_all_that_it_uses(monkeypatch):
    before = engines.installed_release(AUTO)
    for engine in (DTW, LARGE):
        assert f"{engine} {speech_engine.model_version(engine)}" in before.model_version
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", "en=kaiwa")
    assert engines.installed_release(AUTO) != before
    assert [release.engine for release in engines.releases(AUTO)] == ["dtw", "kaiwa"]
