"""From speech's own dataclasses to rows of `message_audio_analysis`."""

from dataclasses import asdict
from datetime import datetime

from schema.documents import AnalysisRecord
from schema.states import FailureCause
from speech import engine
from speech.analysis import SpeechAnalysis


def analysis_record(
    message_id: str, analysis: SpeechAnalysis, *, as_of: datetime, duration_ms: int
) -> AnalysisRecord:
    """Return the row of one analysis; its fields are named like the columns.

    Raises:
        ValidationError: If the engine returned what the columns or documents do not allow.
    """
    return AnalysisRecord(
        message_id=message_id,
        analyzed_at=as_of,
        analysis_duration_ms=duration_ms,
        **asdict(analysis),
    )


def failed_record(
    message_id: str, cause: FailureCause, error: str, *, as_of: datetime
) -> AnalysisRecord:
    """Return the row that says why there is no analysis, for people and for counting."""
    return AnalysisRecord(
        message_id=message_id,
        analyzed_at=as_of,
        analysis_version=engine.ENGINE_VERSION,
        analysis_engine=engine.ENGINE,
        analysis_model_version=engine.MODEL_VERSION,
        analysis_error=error,
        raw_features={"failure_cause": cause.value},
    )
