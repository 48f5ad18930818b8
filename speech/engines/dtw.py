"""dtw: words, pauses, rates and fluency in languages without an acoustic model.

A synthetic voice reads the text, and dynamic time warping finds its words in the recording. It
tells when each word was said, not how well, so pronunciation has no score.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.endpoints import speech_part
from speech.acoustics.model_files import acoustic_model
from speech.alignment.by_voice import VoiceAlignment, align_by_voice
from speech.analysis import SpeechAnalysis
from speech.engines import kaiwa
from speech.errors import EngineFailure, TextMismatch
from speech.feedback.advice import recommend_pace
from speech.feedback.texts import Texts
from speech.fluency import fluency
from speech.scores.listening import LISTENER
from speech.scores.model import scoring_model
from speech.scores.pace import fluency_score
from speech.synthetic_voice import Speak
from speech.text import transcript
from speech.text.transcript import Transcript
from speech.utterance import Utterance, milliseconds, spoken_words, timings
from speech.validity import (
    common_warnings,
    require_speech,
    require_time_for_text,
    require_time_for_words,
)
from speech.waveform import SAMPLE_RATE_HZ

# espeak-ng's voice of each language. It has none for Filipino, whose spelling Indonesian's reads
# nearly as it sounds.
VOICES: Final = {
    "de": "de", "en": "en-us", "es": "es", "fil": "id", "fr": "fr", "hi": "hi", "id": "id",
    "it": "it", "ja": "ja", "ko": "ko", "nl": "nl", "pt": "pt-br", "ru": "ru", "tr": "tr",
    "vi": "vi", "zh": "cmn",
}  # fmt: skip

# Mean distances of a recording and a reading of its text, nats. Of English learners' recordings
# (speechocean762, training half), 1.1 in a hundred are farther from their own text than the first,
# and 83 in a hundred from that of another recording as long; 5.7 and 97.6 than the second.
_CERTAIN, _POSSIBLE = 3.0, 2.7
_MAX_SYLLABLES_PER_SECOND: Final = 15.0  # twice as fast as fast languages are spoken


def model_version() -> str:
    """Return the version of what hears the recording; reads files, once, but loads no model."""
    return kaiwa.model_version(LISTENER)


def load(language: str) -> None:
    """Load what the analysis of a language needs, so that later nothing is read from disk."""
    model_version()
    scoring_model(LISTENER)
    acoustic_model()
    transcript.load([language])


def analyze(
    waveform: NDArray[np.float32],
    text: str,
    language: str,
    texts: Texts,
    *,
    speak: Speak | None,
    version: str,
) -> SpeechAnalysis:
    """Analyse one recording of a known text; arguments and errors as in `speech.engine`."""
    if speak is None:
        raise EngineFailure(reason="it has no voice to compare with")
    seconds = len(waveform) / SAMPLE_RATE_HZ
    require_time_for_text(text, seconds)
    parsed = transcript.read(text, language)
    part = speech_part(waveform)
    require_speech(part)
    require_time_for_words(sum(len(word.spoken) for word in parsed.words), seconds)
    aligned = align_by_voice(part, parsed.words, speak, VOICES[language])
    if aligned.distance > _CERTAIN:
        raise TextMismatch(reason="its sounds differ from those of the words")
    timeline = [
        Utterance(
            word, len(word.spoken), min(max(start, 0.0), seconds), min(max(end, 0.0), seconds)
        )
        for word, (start, end) in zip(parsed.words, aligned.spans, strict=True)
    ]
    measured = fluency(spoken_words(timeline))
    if aligned.syllables > _MAX_SYLLABLES_PER_SECOND * measured.speech_seconds:
        raise TextMismatch(reason="the text has more words than can be said in that time")
    score = fluency_score(measured, syllables=aligned.syllables, language=language)
    return SpeechAnalysis(
        overall_accuracy_score=None,
        overall_fluency_score=round(score),
        speech_rate_wpm=round(measured.speech_rate_wpm),
        articulation_rate_wpm=round(measured.articulation_rate_wpm),
        total_speech_duration_ms=milliseconds(measured.speech_seconds),
        total_pause_duration_ms=milliseconds(measured.pause_seconds),
        pause_count=len(measured.pauses),
        hesitation_count=measured.hesitations,
        average_pause_duration_ms=milliseconds(measured.average_pause_seconds),
        longest_pause_duration_ms=milliseconds(measured.longest_pause_seconds),
        speech_timings=tuple(timings(timeline, measured.pauses, [None] * len(timeline))),
        phoneme_analysis=(),
        problematic_words=(),
        recommendations=tuple(recommend_pace(texts, measured, len(parsed.words), language)),
        practice_words=(),
        raw_alignment={},
        raw_features={
            "fluency": round(score, 4),
            "syllables": float(aligned.syllables),
            "distance": round(aligned.distance, 4),
        },
        analysis_engine="dtw",
        analysis_version=version,
        analysis_model_version=model_version(),
        analysis_language=language,
        analysis_warnings=tuple(_warnings(texts, waveform[part.samples], parsed, aligned)),
    )


def _warnings(
    texts: Texts, waveform: NDArray[np.float32], parsed: Transcript, aligned: VoiceAlignment
) -> list[str]:
    doubts = [texts.say("warning.doubtful")] if aligned.distance > _POSSIBLE else []
    common = common_warnings(texts, waveform, words=len(parsed.words), skipped=parsed.skipped)
    return [*doubts, texts.say("warning.not_scored"), *common]
