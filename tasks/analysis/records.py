"""Convert the results of `speech` to rows of `message_audio_analysis`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import accumulate
from typing import Any

from policy.languages import primary_language
from schema.documents import Analysis, AnalysisRecord
from schema.facts.analysis import ClaimedMessage, EngineRelease
from schema.states import FailureCause
from speech.analysis import SpeechAnalysis, SpeechTiming


def analysis_record(
    message: ClaimedMessage,
    analysis: Analysis,
    release: EngineRelease,
    *,
    as_of: datetime,
    duration_ms: int,
) -> AnalysisRecord:
    """Return the row of one analysis; its fields are named like the columns.

    The analysis comes from a process that is not trusted. What is known without it is not taken
    from it: the message, the times, engine and versions.
    """
    return AnalysisRecord(
        **dict(analysis)
        | _engine(release)
        | {
            "message_id": message.message_id,
            "analyzed_at": as_of,
            "analysis_duration_ms": duration_ms,
            "analysis_language": primary_language(message.language),
            "analysis_error": None,
        }
    )


def _engine(release: EngineRelease) -> dict[str, str]:
    return {
        "analysis_version": release.version,
        "analysis_engine": release.engine,
        "analysis_model_version": release.model_version,
    }


def analysis_of(analysis: SpeechAnalysis, text: str) -> Analysis:
    """Return an analysis that belongs to no message.

    `speech` counts characters in code points, as Python does. The app is written in JavaScript,
    whose strings count UTF-16 code units: an emoji is two, which shifts all later offsets.

    Args:
        analysis: The result.
        text: The text that its offsets refer to.

    Raises:
        ValidationError: If the engine returned values that columns or documents do not allow.
    """
    timings = _in_utf16(analysis.speech_timings, text)
    return Analysis(**asdict(analysis) | {"speech_timings": timings})


def _in_utf16(timings: Sequence[SpeechTiming], text: str) -> list[dict[str, Any]]:
    units = list(accumulate((1 + (ord(character) > 0xFFFF) for character in text), initial=0))
    return [
        asdict(timing)
        | {"char_start": units[timing.char_start], "char_end": units[timing.char_end]}
        for timing in timings
    ]


def failed_record(
    message_id: str, cause: FailureCause, error: str, release: EngineRelease, *, as_of: datetime
) -> AnalysisRecord:
    """Return a row that records why the message has no analysis."""
    return AnalysisRecord(
        message_id=message_id,
        analyzed_at=as_of,
        analysis_error=error,
        raw_features={"failure_cause": cause.value},
        **_engine(release),
    )
