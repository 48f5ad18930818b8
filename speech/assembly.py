"""Assemble the measurements of a recording into the analysis that is stored and shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from speech.alignment.forced import AlignedPhone, AlignedWord, Alignment
from speech.analysis import PhonemeAnalysis, SpeechAnalysis, SpeechTiming
from speech.breaks import Break
from speech.feedback.advice import recommend
from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.reasons import FULL_SCORE
from speech.feedback.texts import Texts
from speech.feedback.words import explain, is_named, practice_words, problematic
from speech.fluency import Fluency
from speech.scores.scoring import Score, Scores
from speech.text.lexicon import pronounce
from speech.text.phones import IPA
from speech.text.transcript import Transcript, Word
from speech.utterance import Utterance, by_written_word, milliseconds, timings

SCORES = ("accuracy", "fluency", "prosodic", "total")


@dataclass(frozen=True, slots=True)
class Findings:
    """All measurements of one recording."""

    transcript: Transcript
    alignment: Alignment
    timeline: Sequence[Utterance]
    fluency: Fluency
    breaks: Sequence[Break]
    scores: Scores


def assembled(
    found: Findings,
    texts: Texts,
    *,
    engine: str,
    engine_version: str,
    model_version: str,
    language: str,
    warnings: tuple[str, ...],
    is_doubtful: bool,
) -> SpeechAnalysis:
    """Build the analysis; times become milliseconds, scores whole numbers, feedback `texts`.

    If it `is_doubtful` whether the text was said at all, no word or sound is criticised, and no
    score has an interval.
    """
    words = _heard_words(found)
    measured, scores = found.fluency, found.scores
    accuracy, fluency = round(scores.accuracy), round(scores.fluency)
    advice = (
        _advice_in_doubt(texts, min(accuracy, fluency))
        if is_doubtful
        else recommend(
            texts,
            words,
            measured,
            _breaks(found, words),
            scores.measures,
            accuracy_score=accuracy,
            fluency_score=fluency,
        )
    )
    return SpeechAnalysis(
        overall_accuracy_score=accuracy,
        overall_fluency_score=fluency,
        speech_rate_wpm=round(measured.speech_rate_wpm),
        articulation_rate_wpm=round(measured.articulation_rate_wpm),
        total_speech_duration_ms=milliseconds(measured.speech_seconds),
        total_pause_duration_ms=milliseconds(measured.pause_seconds),
        pause_count=len(measured.pauses),
        hesitation_count=measured.hesitations,
        average_pause_duration_ms=milliseconds(measured.average_pause_seconds),
        longest_pause_duration_ms=milliseconds(measured.longest_pause_seconds),
        speech_timings=tuple(_timings(found, words)),
        phoneme_analysis=tuple(_phonemes(texts, found, words, is_doubtful=is_doubtful)),
        problematic_words=()
        if is_doubtful
        else tuple(explain(texts, word) for word in problematic(words)),
        recommendations=tuple(advice),
        practice_words=() if is_doubtful else tuple(practice_words(words)),
        raw_alignment=_raw_alignment(found, is_doubtful=is_doubtful)
        | ({} if is_doubtful else {"mistakes": _mistakes(found, words)}),
        raw_features=_raw_features(scores) | ({} if is_doubtful else _intervals(scores)),
        analysis_engine=engine,
        analysis_version=engine_version,
        analysis_model_version=model_version,
        analysis_language=language,
        analysis_warnings=warnings,
    )


def _advice_in_doubt(texts: Texts, lower_score: int) -> list[str]:
    advice = [texts.say("advice.check_the_text")]
    return advice if lower_score >= FULL_SCORE else [*advice, texts.say("reasons.unknown")]


def _heard_words(found: Findings) -> list[HeardWord]:
    """Return each written word; one spoken as several words has their lowest confidence."""
    scores = found.scores
    confidences = iter(scores.confidences.tolist())
    is_omitted, follows_insertion = iter(scores.omitted), iter(_follow_insertions(found))
    phones = iter(zip(scores.phones.tolist(), scores.heard_instead, strict=True))
    return [
        HeardWord(
            text=word.text,
            start_ms=milliseconds(parts[0].start),
            end_ms=milliseconds(parts[-1].end),
            confidence=min(next(confidences) for _ in parts),
            phones=tuple(
                HeardPhone(phone.phone, *next(phones)) for part in parts for phone in part.phones
            ),
            usual=tuple(phone for part in parts for phone in pronounce(part.word).variants[0]),
            is_judged=_is_judged(word, parts),
            # Not all(), which would leave some to the next word.
            is_said=not min(next(is_omitted) for _ in parts),
            follows_insertion=next(follows_insertion),
        )
        for word, parts in by_written_word(found.transcript.words, found.alignment)
    ]


def _follow_insertions(found: Findings) -> list[bool]:
    """Return whether something was inserted before each written word; hesitations explain it."""
    spoken, found_before, is_explained = iter(found.scores.follows_insertion), [], False
    for one in found.timeline:
        if one.word is not None:
            first, *_ = islice(spoken, one.count)
            found_before.append(first and not is_explained)
        is_explained = one.word is None
    return found_before


def _breaks(found: Findings, words: Sequence[HeardWord]) -> list[Break]:
    """Return the breaks, except where something that is not in the text was said."""
    filled = {word.start_ms for word in words if word.follows_insertion}
    return [one for one in found.breaks if milliseconds(one.end) not in filled]


def _is_judged(word: Word, parts: Sequence[AlignedWord]) -> bool:
    """Return whether its expected sound is known; a number can be said in several ways."""
    return word.is_plain and not word.is_hesitation and all(part.is_listed for part in parts)


def _timings(found: Findings, words: Sequence[HeardWord]) -> list[SpeechTiming]:
    sure = [round(word.confidence, 3) if word.is_judged else None for word in words]
    return timings(found.timeline, found.fluency.pauses, sure)


def _phonemes(
    texts: Texts, found: Findings, words: Sequence[HeardWord], *, is_doubtful: bool
) -> list[PhonemeAnalysis]:
    """Return every phone of every word, with a remark where another was clearly heard."""
    aligned = (phone for word in found.alignment.words for phone in word.phones)
    return [
        _phoneme(
            texts,
            word.text,
            next(aligned),
            heard,
            is_reported=word.is_evidence and not is_doubtful,
        )
        for word in words
        for heard in word.phones
    ]


def _phoneme(
    texts: Texts, word: str, phone: AlignedPhone, heard: HeardPhone, *, is_reported: bool
) -> PhonemeAnalysis:
    expected = IPA[phone.phone]
    issues: tuple[str, ...] = ()
    if is_reported and heard.is_replaced:
        instead = heard.heard_instead
        issues = (
            texts.say("phone.replaced", heard=IPA[instead])
            if instead
            else texts.say("phone.missing"),
        )
    return PhonemeAnalysis(
        phoneme=expected,
        word=word,
        accuracy_score=round(heard.score),
        start_ms=milliseconds(phone.start),
        end_ms=milliseconds(phone.end),
        expected_phoneme=expected if issues else None,
        issues=issues,
    )


def _raw_features(scores: Scores) -> dict[str, float]:
    values = scores.measures | {
        "accuracy": scores.accuracy,
        "fluency": scores.fluency,
        "prosodic": scores.prosodic,
        "total": scores.total,
        "completeness": scores.completeness,
        "mismatch": scores.mismatch,
    }
    return {name: round(value, 4) for name, value in values.items()}


def _intervals(scores: Scores) -> dict[str, float]:
    names = [f"{name}_{end}" for name in SCORES for end in ("low", "high")]
    ends = scores.intervals.ravel().tolist()
    return {name: round(end, 4) for name, end in zip(names, ends, strict=True)}


def _mistakes(found: Findings, words: Sequence[HeardWord]) -> dict[str, Any]:
    """Return every mistake that was surely made; phones by their index in the whole analysis."""
    phones = [(phone, word) for word in words for phone in word.phones]
    return {
        "phones": [
            [index, "substituted", IPA[phone.heard_instead]]
            if phone.heard_instead
            else [index, "deleted"]
            for index, (phone, word) in enumerate(phones)
            if phone.is_replaced and word.is_evidence
        ],
        "words": [
            [index, "mispronounced" if word.is_said else "omitted"]
            for index, word in enumerate(words)
            if is_named(word)
        ],
        "inserted": [
            [before.end_ms, word.start_ms]
            for before, word in pairwise(words)
            if word.follows_insertion
        ],
        "breaks": [
            [one.kind, milliseconds(one.start), milliseconds(one.end)]
            for one in _breaks(found, words)
        ],
    }


def _raw_alignment(found: Findings, *, is_doubtful: bool) -> dict[str, Any]:
    """Return spoken words with their phones as rows of `phone_columns`, compact for storage."""
    columns = ["accuracy"] if is_doubtful else ["accuracy", "accuracy_low", "accuracy_high"]
    words, phones = (
        iter(row[: len(columns)] for row in _with_interval(*scored))
        for scored in (
            (found.scores.words, found.scores.word_intervals),
            (found.scores.phones, found.scores.phone_intervals),
        )
    )
    return {
        "faulty_below": round(found.scores.faulty_below, 2),
        "phone_columns": ["arpabet", "start_ms", "end_ms", *columns],
        "words": [
            {
                "word": word.word,
                **dict(zip(columns, next(words), strict=True)),
                "phones": [
                    [phone.phone, milliseconds(phone.start), milliseconds(phone.end), *next(phones)]
                    for phone in word.phones
                ],
            }
            for word in found.alignment.words
        ],
        "extras": [
            [e.kind, milliseconds(e.start), milliseconds(e.end)] for e in found.alignment.extras
        ],
    }


def _with_interval(scores: Score, intervals: Score) -> list[tuple[float, int, int]]:
    return [
        (round(score, 2), math.floor(low), math.ceil(high))
        for score, (low, high) in zip(scores.tolist(), intervals.tolist(), strict=True)
    ]
