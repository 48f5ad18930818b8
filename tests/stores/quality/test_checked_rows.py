"""Every rule across columns and tables, on rows that keep it, break it, or say nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from policy import quality as policy
from schema.documents import PhonemeAnalysis, ProblematicWord, SpeechTiming
from schema.facts.quality import BrokenRule, RowScope
from stores.analysis import analyses as stores_analyses
from stores.bucket import url_signer
from stores.bucket.access import BucketAccess
from stores.quality import checked_rows, quarantine
from stores.quality.rules import analyses, messages
from tasks.analysis.workers import AnalysisWorkers
from tests.support.quality import (
    ANALYSIS,
    AS_OF,
    DOCUMENTS,
    FACTS,
    MESSAGE,
    PHONEME,
    TIMINGS,
    found,
)
from tests.support.recordings import SENTENCES

LAST_WEEK = AS_OF - timedelta(days=7)


def signed(key, *, days=7, at=AS_OF):
    keys = SecretStr("key-id"), SecretStr("secret")
    signer = url_signer.open_signer(BucketAccess("audio", "https://s3.example", "auto", *keys))
    return signer.dated(at).sign(key, days * 86_400)


def url_of(key, **columns):
    return {
        "audio_storage_key": key,
        "audio_url": signed(key),
        "audio_url_expires_at": AS_OF + timedelta(days=7),
    } | columns


def words(*changes, timings=TIMINGS):
    """The three words, with changes by position."""
    changed = [dict(word) for word in timings]
    for position, change in changes:
        changed[position] |= change
    return {"speech_timings": changed}


def test_there_is_sql_for_every_rule_and_no_other():
    assert set(messages.NAMES) == set(policy.MESSAGE_INVARIANTS)
    assert set(analyses.NAMES) == set(policy.ANALYSIS_INVARIANTS)


KEPT = {
    "an analysed one": ({}, {}),
    "a URL of ours": (url_of("audio/u/c/m.wav"), {}),
    "an encoded key": (url_of("audio/ü ñ/c+1/m%41.wav"), {}),
    "a URL by the app's client": (
        url_of("audio/u/c/m.wav")
        | {"audio_url": signed("audio/u/c/m.wav").replace("s3.example/audio", "audio.s3.example")},
        {},
    ),
    "a leap day": (
        url_of("audio/u/c/m.wav")
        | {
            "audio_url": signed("audio/u/c/m.wav", at=datetime(2024, 2, 29, tzinfo=UTC)),
            "audio_url_expires_at": datetime(2024, 3, 7, 0, 0, 59, tzinfo=UTC),
        },
        {},
    ),
    "a failure with a reason": (
        {"audio_processing_state": "failed", "audio_processing_error": "No speech."},
        {"analysis_error": "No speech."},
    ),
    "waiting for another analysis": ({"audio_processing_state": "uploaded"}, {}),
    "an emoji counts twice": ({"content": "👋 hello"}, words((2, {"charEnd": 8}))),
    "rounded means": ({}, {"pause_count": 3, "average_pause_duration_ms": 99}),
    "unknown keys": ({}, words((0, {"duration": 500, "speaker": "A"}))),
    "JSON nulls": ({}, words((0, {"confidence": None})) | {"practice_words": None}),
    "a trailing silence of the codec": ({}, words((2, {"endMs": 2100}))),
    "scores empty on both sides": (
        {"pronunciation_score": None, "fluency_score": None, "speech_rate_wpm": None},
        {"overall_accuracy_score": None, "overall_fluency_score": None, "speech_rate_wpm": None},
    ),
    "a score that the app's saving again emptied": ({"pronunciation_score": None}, {}),
    "a hard deleted one": (
        {
            "audio_deleted_at": LAST_WEEK, "audio_storage_key": None, "audio_format": None,
            "audio_duration_ms": None, "audio_size_bytes": None, "audio_sample_rate": None,
            "audio_channels": None, "audio_retention_expires_at": None,
        },
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "analysis"), KEPT.values(), ids=KEPT)
def test_what_keeps_all_rules_is_left_alone(add_analysed, check, message, analysis):
    add_analysed(analysis, **message)
    assert check() == {}


URL = url_of("audio/u/c/m.wav")
BROKEN = [
    ("analyzed_has_analysis", {}, {"analysis_error": "x"}, "its analysis has an error"),
    (
        "analysis_means_analyzed",
        {"audio_processing_state": "pending"},
        {},
        "analysis without error, state pending",
    ),
    (
        "analysis_means_analyzed",
        {"audio_processing_state": None},
        {},
        "analysis without error, state empty",
    ),
    (
        "quick_scores",
        {"pronunciation_score": 80, "fluency_score": None},
        {},
        "pronunciation_score 80, analysis 85; fluency_score empty, analysis 78",
    ),
    (
        "failed_has_error",
        {"audio_processing_state": "failed", "audio_processing_error": " \n"},
        {"analysis_error": "x"},
        "audio_processing_error is empty",
    ),
    (
        "deleted_has_no_url",
        {"audio_deleted_at": LAST_WEEK, **URL},
        {},
        "deleted at 2025-10-13T12:00:00Z, and has a URL",
    ),
    (
        "url_expiry",
        URL | {"audio_url_expires_at": AS_OF + timedelta(days=7, seconds=61)},
        {},
        "URL until 2025-10-27T12:00:00Z, row until 2025-10-27T12:01:01Z",
    ),
    (
        "url_expiry",
        URL | {"audio_url_expires_at": None},
        {},
        "URL until 2025-10-27T12:00:00Z, row until no instant",
    ),
    *(
        (
            "url_expiry",
            URL | {"audio_url": URL["audio_url"].replace("20251020T120000Z", date)},
            {},
            "URL until no instant, row until 2025-10-27T12:00:00Z",
        )
        for date in (
            "20261399T000000Z", "20250230T000000Z", "20250229T000000Z", "21000229T000000Z",
            "20250101T246060Z", "00000101T000000Z", "", "2025-10-20", "x" * 500,
        )
    ),
    *(
        (
            "url_expiry",
            URL | {"audio_url": URL["audio_url"].replace("Expires=604800", expiry)},
            {},
            "URL until no instant, row until 2025-10-27T12:00:00Z",
        )
        for expiry in ("Expires=", "Expires=-1", "Expires=1e9", "Expires=99999999999", "Exp=604800")
    ),
    ("url_is_ours", URL | {"audio_storage_key": None}, {}, "a URL, but no key"),
    (
        "url_is_ours",
        URL | {"audio_storage_key": "audio/u/c/m"},
        {},
        "the URL leads to another object",
    ),
    (
        "url_is_ours",
        url_of("audio/ü/m.wav", audio_url=signed("audio/u/m.wav")),
        {},
        "the URL leads to another object",
    ),
    (
        "url_is_ours",
        URL | {"audio_url": URL["audio_url"].replace("s3.example", "s3.example.evil")},
        {},
        "the URL leads outside of our bucket",
    ),
    (
        "retention_period",
        {"audio_retention_expires_at": datetime(2025, 11, 12, 11, 59, 58, tzinfo=UTC)},
        {},
        "expiry 2025-11-12T11:59:58Z, by tier 2025-11-12T12:00:00Z",
    ),
    (
        "pcm_size",
        {"audio_size_bytes": 92_000},
        {},
        "duration 2000 ms, by its bytes 1917 ms",
    ),
    ("document_shapes", {}, {"speech_timings": {}}, "speech_timings is no list but object"),
    ("document_shapes", {}, {"raw_features": [1]}, "raw_features is no object but array"),
    (
        "document_shapes",
        {},
        words((1, {"startMs": "secret"})),
        "speech_timings has an element of another shape",
    ),
    (
        "timings_in_order",
        {},
        words((0, {"endMs": 0})),
        "word 1, start_ms 0, end_ms 0, next_start_ms 500, next_end_ms 800",
    ),
    (
        "timings_in_order",
        {},
        words((1, {"startMs": 900, "endMs": 950})),
        "word 2, start_ms 900, end_ms 950, next_start_ms 800, next_end_ms 1100.5",
    ),
    (
        "timings_in_order",
        {},
        words((1, {"endMs": 1200})),
        "word 2, start_ms 500, end_ms 1200, next_start_ms 800, next_end_ms 1100.5",
    ),
    (
        "timings_in_audio",
        {},
        words((2, {"endMs": 2101})),
        "word 3, start_ms 800, end_ms 2101, audio_duration_ms 2000",
    ),
    (
        "timings_in_audio",
        {},
        words((0, {"startMs": -1})),
        "word 1, start_ms -1, end_ms 500, audio_duration_ms 2000",
    ),
    ("timings_in_text", {}, words((2, {"charEnd": 12})), "word 3, char_start 6, char_end 12"),
    ("timings_in_text", {}, words((0, {"charStart": 6})), "word 1, char_start 6, char_end 5"),
    ("timings_in_text", {}, words((0, {"charStart": -1})), "word 1, char_start -1, char_end 5"),
    (
        "timings_in_text",
        {"content": "👋 hello"},
        words((2, {"charEnd": 9})),
        "word 3, char_start 6, char_end 9",
    ),
    ("confidence_range", {}, words((0, {"confidence": 1.01})), "word 1, confidence 1.01"),
    ("confidence_range", {}, words((2, {"confidence": -1e-9})), "word 3, confidence -0.000000001"),
    (
        "phoneme_score_range",
        {},
        {"phoneme_analysis": [PHONEME, PHONEME | {"accuracyScore": 101}]},
        "accuracyScore 101",
    ),
    ("phoneme_score_range", {}, {"phoneme_analysis": [PHONEME | {"accuracyScore": -1}]},
     "accuracyScore -1"),
    (
        "articulation_rate",
        {},
        {"articulation_rate_wpm": 119},
        "articulation 119 wpm, speech 120 wpm",
    ),
    ("longest_pause", {}, {"longest_pause_duration_ms": 301}, "longest 301 ms, all 300 ms"),
    ("average_pause", {}, {"average_pause_duration_ms": 298}, "1 pauses of 298 ms, all 300 ms"),
    ("average_pause", {}, {"pause_count": 2**31 - 1}, "2147483647 pauses of 300 ms, all 300 ms"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "message", "analysis", "observed"), BROKEN, ids=[case[0] for case in BROKEN]
)
def test_what_breaks_a_rule_is_observed(add_analysed, check, rule, message, analysis, observed):
    add_analysed(analysis, **message)
    seen = check()
    if "pause_count" in analysis:
        seen.pop("pauses_in_audio", None)
    assert seen == {rule: observed}


def test_pauses_longer_than_the_recording(add_analysed, check):
    pauses = {"pause_count": 1, "total_pause_duration_ms": 2101, "average_pause_duration_ms": 2101}
    add_analysed(pauses)
    assert check() == {"pauses_in_audio": "pauses 2101 ms, recording 2000 ms"}


@pytest.mark.parametrize("duration_ms", [0, -1, None])
def test_who_states_no_duration_says_nothing_of_it(add_analysed, check, duration_ms):
    add_analysed(audio_duration_ms=duration_ms)
    assert check() == {}
    add_analysed(words((0, {"startMs": -1})), audio_duration_ms=duration_ms)
    assert set(check()) == {"timings_in_audio"}


def test_an_analysed_message_without_any_analysis(add_message, check):
    add_message(**MESSAGE)
    assert check() == {"analyzed_has_analysis": "no analysis"}


@pytest.mark.parametrize("language", ["english", "", "en_US", "e", "EN"])
def test_a_language_that_is_no_code(add_analysed, add_conversation, check, language):
    add_analysed(conversation_id=add_conversation(language))
    assert check() == {"language_code": f"language {language}"}


@pytest.mark.parametrize("language", ["en", "en-US", "zh-Hans-CN", "yue"])
def test_language_codes(add_analysed, add_conversation, check, language):
    add_analysed(conversation_id=add_conversation(language))
    assert check() == {}


@pytest.mark.parametrize(
    ("role", "tiers", "days"),
    [
        ("user", [], 30),
        ("user", [None], 30),
        ("user", ["free"], 30),
        ("user", ["free", "plus", "premium"], 365),
        ("user", ["premium", "free"], 30),
        ("system", ["premium"], 7),
        ("user", None, 1),
        ("user", ["premium", "staff"], None),
        ("user", ["staff", "premium"], 365),
    ],
)
def test_the_owners_tier_says_how_long_audio_is_kept(
    add_analysed, add_conversation, add_user, add_subscription, check, role, tiers, days
):
    user = None if tiers is None else add_user()
    for tier in tiers or []:
        add_subscription(user, tier)
    columns = {"conversation_id": add_conversation(user_id=user), "role": role}
    expiry = LAST_WEEK + timedelta(days=days or 0)
    columns |= {"timestamp": LAST_WEEK, "audio_retention_expires_at": expiry}
    add_analysed(**columns)
    assert check() == {}
    add_analysed(**columns | {"audio_retention_expires_at": expiry - timedelta(seconds=2)})
    assert set(check()) == ({"retention_period"} if days is not None else set())


@pytest.mark.parametrize(
    ("leased_until", "said_at", "observed"),
    [
        (AS_OF - timedelta(minutes=59), LAST_WEEK, None),
        (AS_OF - timedelta(minutes=61), LAST_WEEK, "leased until 2025-10-20T10:59:00Z"),
        (None, AS_OF - timedelta(hours=23), None),
        (None, AS_OF - timedelta(hours=25), "no lease, said at 2025-10-19T11:00:00Z"),
    ],
)
def test_nothing_stays_in_analysis_for_ever(
    engine, add_message, check, leased_until, said_at, observed
):
    message_id = add_message(audio_processing_state="analyzing", timestamp=said_at)
    if leased_until is not None:
        with engine.begin() as connection:
            connection.execute(
                sa.text("INSERT INTO audio_ops.lease (message_id, leased_until) VALUES (:id, :t)"),
                {"id": message_id, "t": leased_until},
            )
    assert check() == ({"analyzing_beyond_lease": observed} if observed else {})


def test_empty_tables(check):
    assert check() == {}


def test_rows_that_say_nothing_break_nothing(engine, add_message, check):
    nothing = dict.fromkeys((*MESSAGE, "audio_format", "audio_storage_key"))
    message_id = add_message(**nothing)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO message_audio_analysis (message_id, analysis_error) VALUES (:id, 'x')"
            ),
            {"id": message_id},
        )
    assert check() == {}


@pytest.mark.parametrize("number", [2**31 - 1, -(2**31), 0])
def test_no_number_or_instant_is_an_error(engine, add_analysed, check, number):
    columns = {name: number for name, value in MESSAGE.items() if isinstance(value, int)}
    add_analysed(
        {name: number for name, value in ANALYSIS.items() if isinstance(value, int)}, **columns
    )
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE messages SET audio_url = 'x', audio_url_expires_at = 'infinity',"
                " audio_retention_expires_at = '-infinity'"
            )
        )
    seen = check()
    assert seen["url_expiry"] == "URL until no instant, row until no instant"
    assert seen["retention_period"] == "expiry no instant, by tier 2025-11-12T12:00:00Z"


def test_a_message_said_at_the_end_of_time_is_no_error(engine, add_analysed, check):
    add_analysed()
    for end in ("infinity", "-infinity", "294276-12-31", "4713-01-01 BC"):
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE messages SET timestamp = :end"), {"end": end})
        check()


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
        optional={"suggestion": TEXTS | st.none()},
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
    """Check an analysis with these documents; return what was observed. Nothing is committed."""
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


def test_documents_of_their_shape_are_believed(engine, add_analysed):
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
    ],
)
def test_elements_of_another_shape(engine, add_analysed, name, change):
    message_id = add_analysed()
    element = ELEMENTS[name]
    whole = {f"{name} has an element of another shape"}
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
    huge = 10**4000  # more than any other type holds
    first = TIMINGS[0] | {"endMs": huge, "charEnd": huge, "confidence": -huge}
    seen = observed_in(engine, message_id, {"speech_timings": [first]})
    assert seen["timings_in_text"] == f"word 1, char_start 0, char_end 1{'0' * 19}"
    assert {"timings_in_audio", "confidence_range"} <= seen.keys()


MANY = 50_000


def test_a_great_many_words_in_disorder_are_soon_checked(add_analysed, check):
    # Were all of them walked again for each, this would take an hour.
    backwards = [
        {"word": "w", "startMs": start, "endMs": start + 1, "charStart": 0, "charEnd": 1}
        for start in range(MANY, 0, -1)
    ]
    add_analysed({"speech_timings": backwards}, audio_duration_ms=MANY + 1)
    seen = check()
    assert seen.keys() == {"pcm_size", "timings_in_order"}
    assert seen["timings_in_order"].startswith(f"word 1, start_ms {MANY}, end_ms {MANY + 1}, next")


def test_a_great_many_words_in_a_text_as_long_are_soon_checked(add_analysed, check):
    beyond = [
        {"word": "w", "startMs": n, "endMs": n + 1, "charStart": 3 * n, "charEnd": 3 * n + 3}
        for n in range(MANY)
    ]
    text = {"content": "👋 " * MANY, "audio_duration_ms": MANY}
    add_analysed({"speech_timings": beyond}, **text)
    assert check().keys() == {"pcm_size"}
    add_analysed({"speech_timings": beyond}, **text | {"content": "é" * MANY})
    assert check()["timings_in_text"] == "word 16667, char_start 49998, char_end 50001"


def test_a_score_that_the_app_emptied_is_looked_at_as_it_will_be_put_back(engine, add_analysed):
    add_analysed(pronunciation_score=None)
    add_analysed(pronunciation_score=None, fluency_score=None)
    with engine.connect() as connection:
        checked_rows.create(connection, RowScope(), FACTS)
        query = sa.text("SELECT pronunciation_score FROM checked_message ORDER BY message_id")
        assert connection.scalars(query).all() == [85, None]


def test_only_messages_with_audio_are_looked_at(engine, add_message, add_analysis):
    bare = dict.fromkeys(("audio_storage_key", "audio_format"))
    pending = {"audio_processing_state": "pending"}
    add_message(**bare, **pending)
    looked_at = [
        add_message(**pending),
        add_message(**bare, audio_processing_state="uploading"),
        add_message(**bare, **pending, audio_deleted_at=LAST_WEEK),
        add_message(**bare, **pending),
    ]
    add_analysis(looked_at[-1])
    with engine.connect() as connection:
        assert checked_rows.create(connection, RowScope(), FACTS) == 4
        ids = connection.scalars(sa.text("SELECT message_id FROM checked_message"))
        assert set(ids) == set(looked_at)
        assert checked_rows.create(connection, RowScope(), FACTS) == 4  # made anew


def test_a_window_is_half_open_and_open_cases_are_always_looked_at(engine, add_analysed):
    before, first, last, after = (
        add_analysed(timestamp=LAST_WEEK + timedelta(hours=hour)) for hour in (-1, 0, 23, 24)
    )
    held = add_analysed(timestamp=LAST_WEEK - timedelta(days=300))
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(held, "quick_scores", "seen")])
    scope = RowScope(since=LAST_WEEK, until=LAST_WEEK + timedelta(days=1))
    assert looked_at(engine, scope) == {first, last, held}
    assert looked_at(engine, RowScope(since=LAST_WEEK)) == {first, last, after, held}
    assert looked_at(engine, RowScope(until=LAST_WEEK)) == {before, held}


def looked_at(engine, scope):
    with engine.connect() as connection:
        checked_rows.create(connection, scope, FACTS)
        messages_checked = set(
            connection.scalars(sa.text("SELECT message_id FROM checked_message"))
        )
        analyses_checked = connection.scalars(sa.text("SELECT message_id FROM checked_analysis"))
        assert set(analyses_checked) == messages_checked
        return messages_checked


def test_only_the_asked_rules_are_answered_of_only_the_asked_messages(engine, add_analysed):
    wrong = {"pronunciation_score": 1, "audio_size_bytes": 1}
    first, second = (add_analysed(words((0, {"charEnd": 99})), **wrong) for _ in range(2))
    with engine.connect() as connection:
        ask = checked_rows.broken_among
        assert ask(connection, [], FACTS, messages.NAMES) == []
        assert ask(connection, [first], FACTS, []) == []
        for rules in ({"pcm_size"}, {"timings_in_text"}, {"quick_scores", "timings_in_text"}):
            cases = ask(connection, [second, "no message"], FACTS, rules)
            assert {case.rule for case in cases} == rules
            assert {case.message_id for case in cases} == {second}
        assert len(ask(connection, [first, second], FACTS, messages.NAMES + analyses.NAMES)) == 6


def test_what_the_engine_writes_breaks_no_rule(engine, spoken, claimed, noon, add_message):
    message = {**MESSAGE, "audio_processing_state": "uploaded"}
    with AnalysisWorkers(1) as workers:
        for sentence in SENTENCES:
            text, audio = spoken(sentence)
            text = f"👋 {text.capitalize()}!"
            outcome = workers.analyse(claimed(text), audio, as_of=noon)
            duration_ms = int(1000 * outcome.audio_seconds)
            message_id = add_message(
                **message
                | {
                    "content": text,
                    "audio_duration_ms": duration_ms,
                    "audio_size_bytes": 48 * duration_ms,
                }
            )
            record = outcome.record.model_copy(update={"message_id": message_id})
            with engine.begin() as connection:
                stores_analyses.upsert(connection, [record])
    with engine.connect() as connection:
        assert found(connection) == {}
        count = "SELECT sum(jsonb_array_length(speech_timings)) FROM message_audio_analysis"
        assert connection.scalar(sa.text(count)) >= sum(len(text.split()) for text in SENTENCES)
