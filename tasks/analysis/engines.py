"""The engines that are installed here, and the one that this deployment uses."""

from schema.facts.analysis import EngineRelease
from schema.states import AnalysisEngine
from settings.environment import EngineSettings
from speech import engine as speech_engine


def chosen_engine(asked_for: AnalysisEngine | None) -> AnalysisEngine:
    """Return the engine that was asked for; None: the deployment's, `KAIWA_ENGINE`."""
    return asked_for or EngineSettings().engine


def installed_release(engine: AnalysisEngine) -> EngineRelease:
    """Return an engine with its installed versions."""
    return EngineRelease(engine, speech_engine.ENGINE_VERSION, speech_engine.model_version(engine))
