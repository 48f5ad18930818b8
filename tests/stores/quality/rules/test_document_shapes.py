"""Documents of any shape: none raises an error, and only valid ones pass."""

import json

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schema.documents import PhonemeAnalysis, ProblematicWord, SpeechTiming
from tests.support.quality import (
    DOCUMENTS,
    PHONEME,
    TIMINGS,
    found,
)

HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["NaN", "Infinity", "", "secret", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*TIMINGS[0], *PHONEME, "issues", "severity", "isPause"]), inner
        )
    ),
    max_leaves=12,
)
NUMBERS = st.floats(0, 1e6) | st.integers(0, 10**6)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
TIMED = {"word": TEXTS, "startMs": st.just(0), "endMs": NUMBERS}
SHAPED = {
    "speech_timings": st.fixed_dictionaries(
        TIMED | {"charStart": st.integers(0, 9), "charEnd": st.integers(9, 99)},
        optional={
            "confidence": st.floats(0, 1) | st.none(),
            "isPause": st.booleans() | st.none(),
            "isHesitation": st.booleans(),
            "duration": NUMBERS,
        },
    ),
    "phoneme_analysis": st.fixed_dictionaries(
        TIMED | {"phoneme": TEXTS, "accuracyScore": st.floats(0, 100)},
        optional={
            "expectedPhoneme": TEXTS | st.none(),
            "issues": st.lists(TEXTS, max_size=2) | st.none(),
        },
    ),
    "problematic_words": st.fixed_dictionaries(
        TIMED | {"issue": TEXTS, "severity": st.sampled_from(["low", "medium", "high"])},
        optional={"suggestion": TEXTS | st.none(), "sound": TEXTS | st.none()},
    ),
    "recommendations": TEXTS,
    "practice_words": TEXTS,
    "analysis_warnings": TEXTS,
}
SHAPES = {
    "speech_timings": TypeAdapter(tuple[SpeechTiming, ...]),
    "phoneme_analysis": TypeAdapter(tuple[PhonemeAnalysis, ...]),
    "problematic_words": TypeAdapter(tuple[ProblematicWord, ...]),
}


def observed_in(engine, message_id, documents):
    """Check an analysis with these documents; return the observed values. Commits nothing."""
    sets = ", ".join(f"{name} = CAST(:{name} AS jsonb)" for name in documents)
    texts = {name: json.dumps(document) for name, document in documents.items()}
    with engine.connect() as connection:
        connection.execute(sa.text(f"UPDATE message_audio_analysis SET {sets}"), texts)
        return found(connection)


def test_no_json_whatever_is_an_error_or_shown(engine, add_analysed):
    message_id = add_analysed()

    @settings(max_examples=100, deadline=None)
    @given(documents=st.fixed_dictionaries(dict.fromkeys(DOCUMENTS, HOSTILE)))
    def ask(documents):
        seen = observed_in(engine, message_id, documents)
        assert "secret" not in str(seen)
        shapes = seen.get("document_shapes", "")
        for name, document in documents.items():
            container = dict if name.startswith("raw") else list
            if document is not None and not isinstance(document, container):
                assert name in shapes

    ask()


def test_documents_of_the_right_shape_are_accepted(engine, add_analysed):
    message_id = add_analysed()

    @settings(max_examples=60, deadline=None)
    @given(
        documents=st.fixed_dictionaries(
            {name: st.lists(element, max_size=3) for name, element in SHAPED.items()}
        )
    )
    def ask(documents):
        for name, shape in SHAPES.items():
            shape.validate_json(json.dumps(documents[name]))  # schema.documents agrees
        assert "document_shapes" not in observed_in(engine, message_id, documents)

    ask()


ELEMENTS = {
    "speech_timings": TIMINGS[0],
    "phoneme_analysis": PHONEME,
    "problematic_words": {
        "word": "w", "issue": "i", "severity": "low", "startMs": 0, "endMs": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *(("speech_timings", {key: None}) for key in TIMINGS[0] if key != "confidence"),
        *(("phoneme_analysis", {key: None}) for key in PHONEME),
        *(("problematic_words", {key: []}) for key in ELEMENTS["problematic_words"]),
        ("speech_timings", {"startMs": "0"}),
        ("speech_timings", {"endMs": "NaN"}),
        ("speech_timings", {"charEnd": 4.5}),
        ("speech_timings", {"confidence": [0.5]}),
        ("speech_timings", {"isPause": "yes"}),
        ("phoneme_analysis", {"issues": ["a", 1]}),
        ("phoneme_analysis", {"endMs": -1}),
        ("problematic_words", {"severity": "grave"}),
        ("problematic_words", {"suggestion": 5}),
        ("problematic_words", {"sound": 5}),
    ],
)
def test_elements_of_another_shape(engine, add_analysed, name, change):
    message_id = add_analysed()
    element = ELEMENTS[name]
    whole = {f"{name} has a malformed element"}
    for wrong in (element | change, [element | change], "x", 5, True, None):
        seen = observed_in(engine, message_id, {name: [element, wrong]})
        assert {seen.pop("document_shapes", "no fault")} == whole
        assert seen.keys() <= {"phoneme_score_range"}
    (key,) = change
    if change[key] is None:
        missing = {other: value for other, value in element.items() if other != key}
        seen = observed_in(engine, message_id, {name: [missing]})
        assert {seen["document_shapes"]} == whole


def test_numbers_as_large_as_json_allows(engine, add_analysed):
    message_id = add_analysed()
    huge = 10**4000  # beyond every other numeric type
    first = TIMINGS[0] | {"endMs": huge, "charEnd": huge, "confidence": -huge}
    seen = observed_in(engine, message_id, {"speech_timings": [first]})
    assert seen["timings_in_text"] == f"word 1, char_start 0, char_end 1{'0' * 19}"
    assert {"timings_in_audio", "confidence_range"} <= seen.keys()
