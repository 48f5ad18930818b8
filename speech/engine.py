"""One call from a recording and its text to a whole analysis.

Deterministic: the same waveform, text and language give the same analysis, whatever the process
has analysed before. English only; docs/adr/0022 says how another language comes in.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.pitch import pitch
from speech.alignment.interim import AlignedPhone, AlignedWord, Alignment, align
from speech.alignment.interim import load as load_aligner
from speech.analysis import PhonemeAnalysis, SpeechAnalysis, SpeechTiming
from speech.errors import TextMismatch, UnsupportedLanguage
from speech.feedback.advice import recommend
from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.words import explain, practice_words, problematic
from speech.fluency import Fluency, fluency
from speech.scores.calibration import shipped
from speech.scores.scoring import Scores, score
from speech.text import transcript
from speech.text.phones import IPA
from speech.text.transcript import Transcript, Word
from speech.utterance import by_written_word, spoken_words
from speech.validity import require_speech
from speech.waveform import SAMPLE_RATE_HZ

ENGINE: Final = "pocketsphinx"
ENGINE_VERSION: Final = "1.0"
MODEL_VERSION: Final = f"en-us-ptm-{version('pocketsphinx')}"
LANGUAGES: Final = ("en",)

# Nobody says more; checked before the words are looked up, so that a pasted book costs nothing.
_MAX_WORDS_PER_SECOND: Final = 8
_CLIPPED_LEVEL, _MAX_CLIPPED_SHARE = 0.999, 0.01
_MIN_WORDS_FOR_FLUENCY: Final = 3
_MAX_WORDS_NAMED: Final = 10


def load(language: str) -> None:
    """Read the models of a language, so that the first analysis is as fast as the next.

    Raises:
        UnsupportedLanguage: If there are none.
    """
    _supported(language)
    shipped()
    load_aligner()


def analyze(waveform: NDArray[np.float32], text: str, language: str) -> SpeechAnalysis:
    """Analyse one recording of a known text.

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz, finite; see `speech.waveform.decode`.
        text: What was said, as written in the message.
        language: A language tag: "en", "en-US", "EN".

    Raises:
        UnsupportedLanguage: If there is no model, or the text is in another script.
        EmptyTranscript: If the text holds no word.
        NoSpeech: If nobody speaks in the recording.
        TextMismatch: If it says something else.
        EngineFailure: If the aligner breaks down.
    """
    spoken_language = _supported(language)
    said = transcript.read(text, spoken_language)
    require_speech(pitch(waveform))
    spoken = [part for word in said.words for part in word.spoken]
    if len(spoken) > max(1, _MAX_WORDS_PER_SECOND * len(waveform) / SAMPLE_RATE_HZ):
        raise TextMismatch(reason="the text has more words than anybody can say in that time")
    alignment = align(waveform, spoken)
    measured = fluency(spoken_words(said.words, alignment))
    calibration = shipped()
    scores = score(alignment, measured, calibration)
    if scores.mismatch > calibration.mismatch_certain:
        raise TextMismatch(reason="its sounds are not those of the words")
    warnings = _warnings(waveform, said, alignment)
    if scores.mismatch > calibration.mismatch_possible:
        warnings.insert(0, "The recording may say something else than the text.")
    return _assemble(said, alignment, measured, scores, spoken_language, warnings)


def _supported(language: str) -> str:
    primary = language.replace("_", "-").partition("-")[0].strip().lower()
    if primary not in LANGUAGES:
        raise UnsupportedLanguage(language, LANGUAGES)
    return primary


def _warnings(waveform: NDArray[np.float32], said: Transcript, alignment: Alignment) -> list[str]:
    warnings = []
    guessed = list(dict.fromkeys(word.word for word in alignment.words if not word.is_listed))
    if guessed:
        named = ", ".join(guessed[:_MAX_WORDS_NAMED]) + ("…" * (len(guessed) > _MAX_WORDS_NAMED))
        warnings.append(f"{len(guessed)} words are in no dictionary and not judged: {named}")
    if said.skipped:
        warnings.append(f"{said.skipped} words in other letters were left out.")
    if np.mean(np.abs(waveform) >= _CLIPPED_LEVEL) > _MAX_CLIPPED_SHARE:
        warnings.append("The recording is overdriven; scores are less certain.")
    if len(alignment.words) < _MIN_WORDS_FOR_FLUENCY:
        warnings.append("Rates and fluency say little about so few words.")
    return warnings


def _assemble(
    said: Transcript,
    alignment: Alignment,
    measured: Fluency,
    scores: Scores,
    language: str,
    warnings: Sequence[str],
) -> SpeechAnalysis:
    words = _heard(said.words, alignment, scores)
    return SpeechAnalysis(
        overall_accuracy_score=round(scores.accuracy),
        overall_fluency_score=round(scores.fluency),
        speech_rate_wpm=round(measured.speech_rate_wpm),
        articulation_rate_wpm=round(measured.articulation_rate_wpm),
        total_speech_duration_ms=_ms(measured.speech_seconds),
        total_pause_duration_ms=_ms(measured.pause_seconds),
        pause_count=len(measured.pauses),
        hesitation_count=measured.hesitations,
        average_pause_duration_ms=_ms(measured.average_pause_seconds),
        longest_pause_duration_ms=_ms(measured.longest_pause_seconds),
        speech_timings=_timings(said.words, words, measured),
        phoneme_analysis=_phonemes(said.words, alignment, scores),
        problematic_words=tuple(explain(word) for word in problematic(words)),
        recommendations=tuple(
            recommend(words, measured, accuracy_score=scores.accuracy, fluency_score=scores.fluency)
        ),
        practice_words=tuple(practice_words(words)),
        raw_alignment=_raw_alignment(alignment),
        raw_features=scores.features | {"mismatch_log_odds": scores.mismatch},
        analysis_engine=ENGINE,
        analysis_version=ENGINE_VERSION,
        analysis_model_version=MODEL_VERSION,
        analysis_language=language,
        analysis_warnings=tuple(warnings),
    )


def _heard(words: Sequence[Word], alignment: Alignment, scores: Scores) -> list[HeardWord]:
    """Each written word; one said in several words is as good as its worst."""
    confidences, phone_scores = iter(scores.words), iter(scores.phones)
    heard = []
    for word, parts in by_written_word(words, alignment):
        phones = [phone for part in parts for phone in part.phones]
        heard.append(
            HeardWord(
                text=word.text,
                start_ms=_ms(parts[0].start),
                end_ms=_ms(parts[-1].end),
                confidence=min(float(next(confidences)) for _ in parts),
                phones=tuple(
                    HeardPhone(phone.phone, float(next(phone_scores))) for phone in phones
                ),
                is_judged=not word.is_hesitation and all(part.is_listed for part in parts),
            )
        )
    return heard


def _timings(
    words: Sequence[Word], heard: Sequence[HeardWord], measured: Fluency
) -> tuple[SpeechTiming, ...]:
    """Words and the pauses between them, in order of time."""
    pauses = {pause.after: pause for pause in measured.pauses}
    timings = []
    for index, (word, sound) in enumerate(zip(words, heard, strict=True)):
        timings.append(
            SpeechTiming(
                word=word.text,
                start_ms=sound.start_ms,
                end_ms=sound.end_ms,
                char_start=word.char_start,
                char_end=word.char_end,
                confidence=None if word.is_hesitation else round(sound.confidence, 3),
                is_pause=False,
                is_hesitation=word.is_hesitation,
            )
        )
        if pause := pauses.get(index):
            start_ms, end_ms, place = _ms(pause.start), _ms(pause.end), word.char_end
            timings.append(
                SpeechTiming(
                    "", start_ms, end_ms, place, place, None, is_pause=True, is_hesitation=False
                )
            )
    return tuple(timings)


def _phonemes(
    words: Sequence[Word], alignment: Alignment, scores: Scores
) -> tuple[PhonemeAnalysis, ...]:
    """Every phone of every word; what was heard instead is not known, so never claimed."""
    phone_scores = iter(scores.phones)
    return tuple(
        PhonemeAnalysis(
            phoneme=IPA[phone.phone],
            word=word.text,
            accuracy_score=round(float(next(phone_scores))),
            start_ms=_ms(phone.start),
            end_ms=_ms(phone.end),
            expected_phoneme=None,
            issues=(),
        )
        for word, parts in by_written_word(words, alignment)
        for part in parts
        for phone in part.phones
    )


def _raw_alignment(alignment: Alignment) -> dict[str, Any]:
    """Spoken words with their phones as rows of `phone_columns`, compact for storage."""
    return {
        "phone_columns": ["arpabet", "start_ms", "end_ms", "nats_per_frame"],
        "words": [_raw_word(word) for word in alignment.words],
        "silences": [_raw_phone(silence) for silence in alignment.silences],
    }


def _raw_word(word: AlignedWord) -> dict[str, Any]:
    return {"word": word.word, "phones": [_raw_phone(phone) for phone in word.phones]}


def _raw_phone(phone: AlignedPhone) -> list[Any]:
    return [phone.phone, _ms(phone.start), _ms(phone.end), round(phone.score, 3)]


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
