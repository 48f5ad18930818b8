"""Analyse a recording of a known text in one call.

Deterministic: the same waveform, text and language give the same analysis, whatever the process
has analysed before. English only; docs/adr/0022 explains how to add a language.
"""

from functools import cache
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.endpoints import speech_part
from speech.acoustics.front_end import cepstra, features, frame_count
from speech.acoustics.model_files import acoustic_model
from speech.alignment.forced import Alignment, aligned_pieces, joined
from speech.analysis import SpeechAnalysis
from speech.assembly import Findings, assembled
from speech.breaks import breaks
from speech.errors import TextMismatch, UnsupportedLanguage
from speech.feedback.texts import DEFAULT_LANGUAGE, Texts, texts_in
from speech.fluency import fluency
from speech.scores.gate import CERTAIN, POSSIBLE
from speech.scores.model import ENGINES, ScoringModel, scoring_model
from speech.scores.scoring import align_and_score
from speech.text import letter_to_sound, lexicon, transcript
from speech.text.lexicon import pronounce
from speech.text.transcript import Transcript
from speech.trained_models import MODELS, file_version
from speech.utterance import spoken_words, utterances
from speech.validity import require_speech
from speech.waveform import SAMPLE_RATE_HZ

LANGUAGES: Final = ("en",)
DEFAULT_ENGINE: Final = "kaiwa-large"  # scores best; "kaiwa" is faster
ENGINE_VERSION: Final = "3.0"  # of both

# Faster than anyone speaks. Checked before parsing the text and before looking up words, so that
# a pasted book costs nothing.
_MAX_WORDS_PER_SECOND: Final = 12
_LETTERS_A_WORD, _LEAST_SECONDS = 20, 10  # generous: markup and addresses have many letters
_CLIPPED_LEVEL, _MAX_CLIPPED_SHARE = 0.999, 0.01
_MIN_WORDS_FOR_FLUENCY: Final = 3
_MAX_WORDS_NAMED: Final = 10


def model_version(engine: str, model: ScoringModel | None = None) -> str:
    """Return the versions of the scoring model (default: the shipped one) and of what it hears.

    Reads files, once, but loads no model.
    """
    name, *encoders = ENGINES[engine]
    scoring = f"{name}-{model.version}" if model else _shipped_version(name)
    return "+".join([scoring, _acoustic_version(), *map(_shipped_version, encoders)])


@cache
def _shipped_version(name: str) -> str:
    return f"{name}-{file_version(MODELS / f'{name}.npz')}"


@cache
def _acoustic_version() -> str:
    return f"pocketsphinx-{version('pocketsphinx')}"


def load(language: str, engine: str = DEFAULT_ENGINE) -> None:
    """Load an engine's models of a language, so that the first analysis is as fast as the next.

    Raises:
        UnsupportedLanguage: If there is no model for it.
    """
    _supported(language)
    model_version(engine)  # reads files, which a locked-down process cannot
    _ = scoring_model(engine).encoder  # read at first use
    acoustic_model()
    lexicon.load()
    texts_in(DEFAULT_LANGUAGE)  # and all other languages
    letter_to_sound.shipped()


def analyze(
    waveform: NDArray[np.float32],
    text: str,
    language: str,
    *,
    engine: str = DEFAULT_ENGINE,
    feedback_language: str = DEFAULT_LANGUAGE,
    model: ScoringModel | None = None,
) -> SpeechAnalysis:
    """Analyse one recording of a known text.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz, finite; see `speech.waveform.decode`.
        text: What was said, as written in the message.
        language: A language tag: "en", "en-US", "EN".
        engine: One of `ENGINES`.
        feedback_language: The learner's, a language tag; feedback is in English if it is not
            available in his language.
        model: Scoring model; default: the one that ships with the engine.

    Raises:
        UnsupportedLanguage: If there is no model, or the text is in another script.
        EmptyTranscript: If the text contains no word.
        NoSpeech: If the recording contains no speech.
        TextMismatch: If the recording does not match the text.
        EngineFailure: If a model file is damaged.
    """
    spoken_language = _supported(language)
    seconds = len(waveform) / SAMPLE_RATE_HZ
    _require_time(len(text), _LETTERS_A_WORD * _MAX_WORDS_PER_SECOND * (seconds + _LEAST_SECONDS))
    parsed = transcript.read(text, spoken_language)
    part = speech_part(waveform)
    require_speech(part)
    words = [spoken for word in parsed.words for spoken in word.spoken]
    _require_time(len(words), max(1, _MAX_WORDS_PER_SECOND * seconds))
    frames = features(cepstra(part.waveform))
    model = model or scoring_model(engine)
    pieces = aligned_pieces(frames, words, [pronounce(word) for word in words])
    alignments, scores = align_and_score(part.waveform, frames, pieces, part.pitch, model)
    if scores.mismatch > CERTAIN:
        raise TextMismatch(reason="its sounds differ from those of the words")
    alignment = joined(alignments).later(part.first_frame).within(frame_count(len(waveform)))
    timeline = utterances(parsed.words, alignment)
    is_doubtful = scores.mismatch > POSSIBLE
    texts = texts_in(feedback_language)
    warnings = _warnings(texts, waveform[part.samples], parsed, alignment)
    if is_doubtful:
        warnings.insert(0, texts.say("warning.doubtful"))
    return assembled(
        Findings(
            parsed,
            alignment,
            timeline,
            fluency(spoken_words(timeline)),
            breaks(timeline),
            scores,
        ),
        texts,
        engine=engine,
        engine_version=ENGINE_VERSION,
        model_version=model_version(engine, model),
        language=spoken_language,
        warnings=tuple(warnings),
        is_doubtful=is_doubtful,
    )


def _require_time(count: int, most: float) -> None:
    if count > most:
        raise TextMismatch(reason="the text has more words than can be said in that time")


def primary_language(tag: str) -> str:
    """Return the language of a tag without country or script: "en" for "en-GB"."""
    return tag.replace("_", "-").partition("-")[0].strip().lower()


def _supported(language: str) -> str:
    primary = primary_language(language)
    if primary not in LANGUAGES:
        raise UnsupportedLanguage(language, LANGUAGES)
    return primary


def _warnings(
    texts: Texts, waveform: NDArray[np.float32], parsed: Transcript, alignment: Alignment
) -> list[str]:
    warnings = []
    guessed = list(dict.fromkeys(word.word for word in alignment.words if not word.is_listed))
    if guessed:
        named = texts.listed(guessed[:_MAX_WORDS_NAMED]) + "…" * (len(guessed) > _MAX_WORDS_NAMED)
        warnings.append(texts.count("warning.unlisted", len(guessed), words=named))
    if parsed.skipped:
        warnings.append(texts.count("warning.skipped", parsed.skipped))
    if np.mean(np.abs(waveform) >= _CLIPPED_LEVEL) > _MAX_CLIPPED_SHARE:
        warnings.append(texts.say("warning.overdriven"))
    if len(alignment.words) < _MIN_WORDS_FOR_FLUENCY:
        warnings.append(texts.say("warning.few_words"))
    return warnings
