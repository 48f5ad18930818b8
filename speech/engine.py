"""Analyse a recording of a known text in one call, with the engine of one's choice.

Deterministic: the same waveform, text and language give the same analysis, whatever the process
has analysed before.
"""

from typing import Final

import numpy as np
from langcodes import Language
from langcodes.tag_parser import LanguageTagError
from numpy.typing import NDArray

from speech.analysis import SpeechAnalysis
from speech.engines import dtw, kaiwa
from speech.errors import UnsupportedLanguage
from speech.feedback.texts import DEFAULT_LANGUAGE, texts_in
from speech.scores.model import ScoringModel
from speech.synthetic_voice import Speak

VERSION: Final = "3.0"  # of all engines
DTW: Final = "dtw"
DEFAULT_ENGINE: Final = "kaiwa-large"  # of English: scores best; "kaiwa" is faster
LANGUAGES: Final = {
    "kaiwa-large": kaiwa.LANGUAGES,
    "kaiwa": kaiwa.LANGUAGES,
    DTW: tuple(dtw.VOICES),
}


def primary_language(tag: str) -> str:
    """Return the language that a BCP 47 tag is about: "en" for "en-GB", "fil" for "tl".

    Anything that is no such tag is returned in lower case.
    """
    try:
        return str(Language.get(tag.strip()).prefer_macrolanguage().language)
    except LanguageTagError:
        return tag.strip().lower()


def model_version(engine: str, model: ScoringModel | None = None) -> str:
    """Return the versions of what an engine uses; reads files, once, but loads no model.

    Args:
        engine: One of `LANGUAGES`.
        model: Scoring model; default: the one that ships with the engine.
    """
    return dtw.model_version() if engine == DTW else kaiwa.model_version(engine, model)


def load(language: str, engine: str = DEFAULT_ENGINE) -> None:
    """Load what an engine needs for a language, so that later nothing is read from disk.

    Raises:
        UnsupportedLanguage: If the engine does not have it.
    """
    spoken = _supported(language, engine)
    texts_in(DEFAULT_LANGUAGE)  # and all other languages
    if engine == DTW:
        dtw.load(spoken)
    else:
        kaiwa.load(engine)


def analyze(
    waveform: NDArray[np.float32],
    text: str,
    language: str,
    *,
    engine: str = DEFAULT_ENGINE,
    feedback_language: str = DEFAULT_LANGUAGE,
    model: ScoringModel | None = None,
    speak: Speak | None = None,
) -> SpeechAnalysis:
    """Analyse one recording of a known text.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz, finite; see `speech.waveform.decode`.
        text: What was said, as written in the message.
        language: A language tag: "en", "en-US", "EN".
        engine: One of `LANGUAGES`.
        feedback_language: The learner's, a language tag; feedback is in English if it is not
            available in his language.
        model: Scoring model of kaiwa; default: the one that ships with the engine.
        speak: The voice that dtw compares with.

    Raises:
        UnsupportedLanguage: If the engine does not have the language, or the text is in another
            script.
        EmptyTranscript: If the text contains no word.
        NoSpeech: If the recording contains no speech.
        TextMismatch: If the recording does not match the text.
        EngineFailure: If a model file is damaged, or there is no voice.
    """
    spoken = _supported(language, engine)
    texts = texts_in(feedback_language)
    if engine == DTW:
        return dtw.analyze(waveform, text, spoken, texts, speak=speak, version=VERSION)
    return kaiwa.analyze(waveform, text, spoken, texts, engine=engine, model=model, version=VERSION)


def _supported(language: str, engine: str) -> str:
    primary = primary_language(language)
    if primary not in LANGUAGES[engine]:
        raise UnsupportedLanguage(language, LANGUAGES[engine])
    return primary
