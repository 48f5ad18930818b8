"""kaiwa and kaiwa-large: forced alignment, and scores as experts would give them. English only."""

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
from speech.errors import TextMismatch
from speech.feedback.texts import Texts
from speech.fluency import fluency
from speech.scores.gate import CERTAIN, POSSIBLE
from speech.scores.model import ENGINES, ScoringModel, scoring_model
from speech.scores.scoring import align_and_score
from speech.text import letter_to_sound, lexicon, transcript
from speech.text.lexicon import pronounce
from speech.text.transcript import Transcript
from speech.trained_models import MODELS, file_version
from speech.utterance import spoken_words, utterances
from speech.validity import (
    common_warnings,
    require_speech,
    require_time_for_text,
    require_time_for_words,
)
from speech.waveform import SAMPLE_RATE_HZ

LANGUAGES: Final = ("en",)

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


def load(engine: str) -> None:
    """Load an engine's models, so that the first analysis is as fast as the next."""
    model_version(engine)  # reads files, which a locked-down process cannot
    _ = scoring_model(engine).encoder  # read at first use
    acoustic_model()
    lexicon.load()
    letter_to_sound.shipped()


def analyze(
    waveform: NDArray[np.float32],
    text: str,
    language: str,
    texts: Texts,
    *,
    engine: str,
    model: ScoringModel | None,
    version: str,
) -> SpeechAnalysis:
    """Analyse one recording of a known text; arguments and errors as in `speech.engine`."""
    seconds = len(waveform) / SAMPLE_RATE_HZ
    require_time_for_text(text, seconds)
    parsed = transcript.read(text, language)
    part = speech_part(waveform)
    require_speech(part)
    words = [spoken for word in parsed.words for spoken in word.spoken]
    require_time_for_words(len(words), seconds)
    frames = features(cepstra(part.waveform))
    model = model or scoring_model(engine)
    pieces = aligned_pieces(frames, words, [pronounce(word) for word in words])
    alignments, scores = align_and_score(part.waveform, frames, pieces, part.pitch, model)
    if scores.mismatch > CERTAIN:
        raise TextMismatch(reason="its sounds differ from those of the words")
    alignment = joined(alignments).later(part.first_frame).within(frame_count(len(waveform)))
    timeline = utterances(parsed.words, alignment)
    is_doubtful = scores.mismatch > POSSIBLE
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
        engine_version=version,
        model_version=model_version(engine, model),
        language=language,
        warnings=tuple(warnings),
        is_doubtful=is_doubtful,
    )


def _warnings(
    texts: Texts, waveform: NDArray[np.float32], parsed: Transcript, alignment: Alignment
) -> list[str]:
    warnings = []
    guessed = list(dict.fromkeys(word.word for word in alignment.words if not word.is_listed))
    if guessed:
        named = texts.listed(guessed[:_MAX_WORDS_NAMED]) + "…" * (len(guessed) > _MAX_WORDS_NAMED)
        warnings.append(texts.count("warning.unlisted", len(guessed), words=named))
    return warnings + common_warnings(
        texts, waveform, words=len(alignment.words), skipped=parsed.skipped
    )
