"""The result of one analysis: frozen values, named like the columns that store them."""

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class SpeechTiming:
    """A word as written, or a pause, in order of time.

    Attributes:
        word: As written in the transcript; empty for a pause or an unwritten hesitation.
        start_ms: From the beginning of the recording.
        end_ms: Not before `start_ms`, not after the recording.
        char_start: First code point of the word; a pause lies at the end of the word before it.
        char_end: One past the last code point; equals `char_start` for a pause.
        confidence: Probability in 0-1 that experts would rate the word as well said; None for a
            pause, a hesitation, and a word that is not judged because it has several readings.
        is_pause: Whether this is silence between two words.
        is_hesitation: Whether it is a filler, or a repeat that is not in the text.
    """

    word: str
    start_ms: int
    end_ms: int
    char_start: int
    char_end: int
    confidence: float | None
    is_pause: bool
    is_hesitation: bool


@dataclass(frozen=True, slots=True)
class PhonemeAnalysis:
    """One phone of one word; `phoneme` in IPA, `accuracy_score` in 0-100."""

    phoneme: str
    word: str
    accuracy_score: int
    start_ms: int
    end_ms: int
    expected_phoneme: str | None
    issues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProblematicWord:
    """A word worth practising, and why.

    `issue` and `suggestion` are in the learner's language; `sound`, in IPA, is the expected sound
    that the issue names first, if any.
    """

    word: str
    issue: str
    severity: Severity
    start_ms: int
    end_ms: int
    suggestion: str | None
    sound: str | None


@dataclass(frozen=True, slots=True)
class SpeechAnalysis:
    """One analysed recording; scores are 0-100, durations integer milliseconds."""

    overall_accuracy_score: int | None  # None: the engine does not judge pronunciation
    overall_fluency_score: int
    speech_rate_wpm: int
    articulation_rate_wpm: int
    total_speech_duration_ms: int
    total_pause_duration_ms: int
    pause_count: int
    hesitation_count: int
    average_pause_duration_ms: int
    longest_pause_duration_ms: int
    speech_timings: tuple[SpeechTiming, ...]
    phoneme_analysis: tuple[PhonemeAnalysis, ...]
    problematic_words: tuple[ProblematicWord, ...]
    recommendations: tuple[str, ...]
    practice_words: tuple[str, ...]
    raw_alignment: dict[str, Any]  # JSON types only
    raw_features: dict[str, float]  # all finite
    analysis_engine: str
    analysis_version: str
    analysis_model_version: str
    analysis_language: str
    analysis_warnings: tuple[str, ...]
