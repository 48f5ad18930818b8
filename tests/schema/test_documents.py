import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schema.documents import (
    AnalysisRecord,
    PhonemeAnalysis,
    ProblematicWord,
    SpeechTiming,
    storable,
)
from schema.tables.analysis import MessageAudioAnalysis

TIMING = {"word": "hi", "startMs": 0, "endMs": 500, "charStart": 0, "charEnd": 2}
PHONEME = {"phoneme": "h", "word": "hi", "accuracyScore": 80, "startMs": 0, "endMs": 90}
PROBLEM = {"word": "hi", "issue": "h", "severity": "low", "startMs": 0, "endMs": 90}
DOCUMENTS = [(SpeechTiming, TIMING), (PhonemeAnalysis, PHONEME), (ProblematicWord, PROBLEM)]
NOW = datetime(2025, 10, 14, tzinfo=UTC)

spans = st.lists(st.integers(0, 10**7), min_size=2, max_size=2).map(sorted)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
timings = st.builds(
    lambda word, ms, chars, **optional: SpeechTiming(
        word=word, start_ms=ms[0], end_ms=ms[1], char_start=chars[0], char_end=chars[1], **optional
    ),
    texts,
    spans,
    spans,
    confidence=st.none() | st.floats(0, 1),
    is_pause=st.none() | st.booleans(),
    is_hesitation=st.none() | st.booleans(),
)


def to_json(document):
    return document.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize(("model", "document"), DOCUMENTS)
def test_the_apps_documents_are_read_and_written_unchanged(model, document):
    assert to_json(model.model_validate(document)) == document


@given(timings)
def test_every_timing_survives_json(timing):
    assert SpeechTiming.model_validate_json(timing.model_dump_json(by_alias=True)) == timing


@given(timings)
def test_absent_keys_are_absent_rather_than_null(timing):
    assert None not in to_json(timing).values()


@pytest.mark.parametrize(("model", "document"), DOCUMENTS)
@pytest.mark.parametrize(("start", "end"), [(500, 499), (-1, 5), (0, math.nan), (0, math.inf)])
def test_time_must_run_forward_from_zero(model, document, start, end):
    with pytest.raises(ValidationError):
        model.model_validate(document | {"startMs": start, "endMs": end})


@pytest.mark.parametrize(("model", "document"), DOCUMENTS)
def test_an_instant_without_length_is_allowed(model, document):
    assert model.model_validate(document | {"startMs": 7, "endMs": 7}).end_ms == 7


@pytest.mark.parametrize(
    ("model", "document", "wrong"),
    [
        (SpeechTiming, TIMING, {"charStart": 3}),
        (SpeechTiming, TIMING, {"charStart": -1}),
        (SpeechTiming, TIMING, {"charEnd": 1.5}),
        (SpeechTiming, TIMING, {"confidence": 1.01}),
        (SpeechTiming, TIMING, {"confidence": -0.01}),
        (SpeechTiming, TIMING, {"confidence": math.nan}),
        (SpeechTiming, TIMING, {"word": "a\x00b"}),
        (SpeechTiming, TIMING, {"word": "\ud800"}),
        (SpeechTiming, TIMING, {"word": None}),
        (SpeechTiming, TIMING, {"colour": "red"}),
        (PhonemeAnalysis, PHONEME, {"accuracyScore": 100.5}),
        (PhonemeAnalysis, PHONEME, {"accuracyScore": -1}),
        (PhonemeAnalysis, PHONEME, {"accuracyScore": math.inf}),
        (ProblematicWord, PROBLEM, {"severity": "severe"}),
    ],
    ids=str,
)
def test_values_that_the_app_does_not_allow_are_refused(model, document, wrong):
    with pytest.raises(ValidationError):
        model.model_validate(document | wrong)


def test_the_apps_old_duration_is_read_but_not_written():
    assert to_json(SpeechTiming.model_validate(TIMING | {"duration": 500})) == TIMING


def test_documents_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        SpeechTiming.model_validate(TIMING).word = "ho"


def test_a_record_has_every_column_but_the_id():
    columns = {column.name for column in MessageAudioAnalysis.__table__.columns}
    assert set(AnalysisRecord.model_fields) == columns - {"id"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"overall_accuracy_score": 101},
        {"overall_fluency_score": -1},
        {"overall_fluency_score": 78.5},
        {"pause_count": -1},
        {"speech_rate_wpm": 2**31},  # too large for a Postgres integer
        {"analyzed_at": datetime(2025, 10, 14)},  # noqa: DTZ001 - naive on purpose
        {"raw_features": {"snr_db": math.nan}},
        {"raw_features": {"deep": [{"er": math.inf}]}},
        {"raw_features": {"text": "a\x00b"}},
        {"raw_features": {"deep": [2**63]}},
        {"raw_alignment": {"deep": ["\ud800"]}},
        {"raw_alignment": {"deep": [{"a\x00b": 1}]}},
        {"raw_alignment": ["not an object"]},
        {"raw_features": {"object": {1}}},  # not JSON
        {"speech_timings": [TIMING | {"endMs": -1}]},
        {"speech_timings": [TIMING | {"endMs": 2**31}]},
        {"speech_timings": [TIMING | {"charEnd": 2**31}]},
        {"analysis_error": "a\x00b"},
        {"no_such_column": 1},
    ],
    ids=str,
)
def test_a_record_that_postgres_or_the_app_would_refuse_is_refused(wrong):
    with pytest.raises(ValidationError):
        AnalysisRecord(**{"message_id": "m", "analyzed_at": NOW} | wrong)


@given(
    st.lists(timings, max_size=5),
    st.dictionaries(texts, st.integers(-(2**63), 2**63 - 1) | st.text("ab")),
)
def test_a_record_survives_the_way_between_processes(words, features):
    record = AnalysisRecord(
        message_id="m", analyzed_at=NOW, speech_timings=words, raw_features=features
    )
    assert AnalysisRecord.model_validate_json(record.model_dump_json(), strict=True) == record


def test_an_instant_in_another_zone_becomes_utc():
    tokyo = datetime.fromisoformat("2025-10-14T09:00:00+09:00")
    assert AnalysisRecord(message_id="m", analyzed_at=tokyo).analyzed_at.tzinfo is UTC


def test_documents_come_as_models_or_as_json():
    adapter = TypeAdapter(tuple[SpeechTiming, ...])
    model = SpeechTiming.model_validate(TIMING)
    assert adapter.validate_python([model, TIMING]) == (model, model)


@given(st.text(st.characters(), max_size=20))
@example("a\x00b\ud800c")
def test_any_text_can_be_made_storable(text):
    stored = storable(text)
    assert "\x00" not in stored
    assert stored.encode().decode() == stored
    assert len(stored) == len(text)
