"""The JSON documents of an analysis, and the analysis itself as one validated value.

The app reads these documents: their keys are in camelCase, and a key without a value is absent
rather than null (`key?: T` in the app's types).
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasGenerator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    model_validator,
)
from pydantic.alias_generators import to_camel

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # Postgres stores no NUL character
Instant = Annotated[AwareDatetime, AfterValidator(lambda instant: instant.astimezone(UTC))]
Milliseconds = Annotated[int | float, Field(ge=0, le=2**31 - 1)]
CharIndex = Annotated[int, Field(ge=0, le=2**31 - 1)]  # into the text, in UTF-16 code units
Score = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]  # a Postgres integer


_TEXT: TypeAdapter[str] = TypeAdapter(Text)
_MAX_INTEGER = 2**63  # orjson writes no larger ones


def storable(text: str) -> str:
    """Return a text without what Postgres cannot store: NUL characters, lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _refuse_unstorable(value: JsonValue) -> JsonValue:
    """Raise on what Postgres cannot store, NUL characters and lone surrogates, or orjson write."""
    if isinstance(value, str):
        _TEXT.validate_python(value)
    elif isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
        message = "an integer has more than 64 bits"
        raise ValueError(message)
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)
    return value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_refuse_unstorable)]


class _Document(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # the input is what the learner said
    )


class _Timed(_Document):
    start_ms: Milliseconds
    end_ms: Milliseconds

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.start_ms > self.end_ms:
            message = f"startMs {self.start_ms} is after endMs {self.end_ms}"
            raise ValueError(message)
        return self


class SpeechTiming(_Timed):
    """A word, pause or hesitation: position in time and in the message's text `[start, end)`."""

    word: Text
    char_start: CharIndex
    char_end: CharIndex
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    is_pause: bool | None = None
    is_hesitation: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_duration(cls, data: Any) -> Any:  # noqa: ANN401 - anything may be validated
        """Ignore the `duration` that older apps wrote; it is endMs - startMs."""
        if isinstance(data, Mapping) and "duration" in data:
            return {key: value for key, value in data.items() if key != "duration"}
        return data

    @model_validator(mode="after")
    def _text_ends_after_its_start(self) -> Self:
        if self.char_start > self.char_end:
            message = f"charStart {self.char_start} is after charEnd {self.char_end}"
            raise ValueError(message)
        return self


class PhonemeAnalysis(_Timed):
    """A phoneme as it was pronounced."""

    phoneme: Text  # IPA
    word: Text
    accuracy_score: Annotated[float, Field(ge=0, le=100)]
    expected_phoneme: Text | None = None
    issues: tuple[Text, ...] | None = None


class ProblematicWord(_Timed):
    """A word that needs practice."""

    word: Text
    issue: Text
    severity: Literal["low", "medium", "high"]
    suggestion: Text | None = None
    sound: Text | None = None  # IPA; the expected sound that the issue names first, if any


class Analysis(BaseModel):
    """The columns of `message_audio_analysis` that describe an analysis."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(serialization_alias=to_camel),
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    analysis_version: Text = "1.0"

    overall_accuracy_score: Score | None = None
    overall_fluency_score: Score | None = None

    speech_rate_wpm: Count | None = None
    articulation_rate_wpm: Count | None = None
    total_speech_duration_ms: Count | None = None
    total_pause_duration_ms: Count | None = None

    pause_count: Count | None = None
    hesitation_count: Count | None = None
    average_pause_duration_ms: Count | None = None
    longest_pause_duration_ms: Count | None = None

    speech_timings: tuple[SpeechTiming, ...] | None = None
    phoneme_analysis: tuple[PhonemeAnalysis, ...] | None = None
    problematic_words: tuple[ProblematicWord, ...] | None = None
    recommendations: tuple[Text, ...] | None = None
    practice_words: tuple[Text, ...] | None = None

    raw_alignment: JsonObject | None = None
    raw_features: JsonObject | None = None

    analysis_engine: Text = "echogarden"
    analysis_model_version: Text | None = None
    analysis_language: Text | None = None
    analysis_duration_ms: Count | None = None
    analysis_error: Text | None = None
    analysis_warnings: tuple[Text, ...] | None = None

    def as_json(self) -> bytes:
        """Return the analysis as the app reads it: in camelCase, absent if without a value."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class AnalysisRecord(Analysis):
    """A row of `message_audio_analysis` without its `id`; passed between processes."""

    message_id: Text
    analyzed_at: Instant
