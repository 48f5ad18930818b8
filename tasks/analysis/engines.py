"""The engines that are installed here, and the one that each language is analysed with."""

from collections.abc import Collection

from policy.languages import primary_language
from schema.facts.analysis import EngineRelease
from schema.states import AnalysisEngine
from settings.environment import EngineSettings
from speech import engine as speech_engine
from speech.errors import UnsupportedLanguage
from speech.text import transcript
from tasks.analysis import voice


def chosen_engine(asked_for: AnalysisEngine | None) -> AnalysisEngine:
    """Return the engine that was asked for; None: the deployment's, `KAIWA_ENGINE`."""
    return asked_for or EngineSettings().engine


def engines_by_language(engine: AnalysisEngine) -> dict[str, AnalysisEngine]:
    """Return what analyses each language; `auto` takes the engine that tells most about it.

    `KAIWA_LANGUAGE_ENGINES` says otherwise for single languages, as far as its engine is installed.
    """
    if engine is not AnalysisEngine.AUTO:
        return dict.fromkeys(sorted(_languages(engine)), engine)
    best = [AnalysisEngine.DTW, AnalysisEngine.KAIWA_LARGE]
    usual = {language: one for one in best for language in _languages(one)}
    wanted = EngineSettings().language_engines
    usual |= {language: one for language, one in wanted.items() if language in _languages(one)}
    return dict(sorted(usual.items()))


def covered_languages(engine: AnalysisEngine, requested: Collection[str] | None) -> list[str]:
    """Return the requested languages that an engine supports; None requests all.

    Messages in other languages are not claimed; they wait for an engine that supports them.
    """
    covered = list(engines_by_language(engine))
    if requested is None:
        return covered
    wanted = {primary_language(language) for language in requested}
    return [language for language in covered if language in wanted]


def engine_for(engine: AnalysisEngine, language: str) -> AnalysisEngine:
    """Return the engine that analyses a language.

    Raises:
        UnsupportedLanguage: If none does.
    """
    by_language = engines_by_language(engine)
    found = by_language.get(primary_language(language))
    if found is None:
        raise UnsupportedLanguage(language, tuple(by_language))
    return found


def release_for(engine: AnalysisEngine, language: str) -> EngineRelease:
    """Return the release that analyses a language, as its rows name it.

    Raises:
        UnsupportedLanguage: If none does.
    """
    return installed_release(engine_for(engine, language))


def releases(engine: AnalysisEngine) -> list[EngineRelease]:
    """Return the releases that analyse something, in alphabetical order."""
    return [installed_release(one) for one in sorted(set(engines_by_language(engine).values()))]


def installed_release(engine: AnalysisEngine) -> EngineRelease:
    """Return an engine with its installed versions; `auto` with those of all that it uses."""
    if engine is AnalysisEngine.AUTO:
        models = "; ".join(f"{one.engine} {one.model_version}" for one in releases(engine))
        return EngineRelease(engine, speech_engine.VERSION, models)
    return EngineRelease(engine, speech_engine.VERSION, speech_engine.model_version(engine))


def _languages(engine: AnalysisEngine) -> set[str]:
    """Return the languages that an engine analyses here."""
    known = set(speech_engine.LANGUAGES[engine])
    if engine is not AnalysisEngine.DTW:
        return known
    return known & transcript.available() if voice.is_installed() else set()
