"""Rules across a message, its analysis, conversation and lease."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.support.quality import AS_OF, MESSAGE, left_alone, observed

LAST_WEEK = AS_OF - timedelta(days=7)


KEPT = {
    "an analysed one": ({}, {}),
    "a failure with a reason": (
        {"audio_processing_state": "failed", "audio_processing_error": "No speech."},
        {"analysis_error": "No speech."},
    ),
    "waiting for another analysis": ({"audio_processing_state": "uploaded"}, {}),
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
        {"audio_deleted_at": LAST_WEEK, "audio_url": "https://audio.s3.example/audio/u/c/m.wav"},
        {},
        "deleted at 2025-10-13T12:00:00Z, and has a URL",
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
]  # fmt: skip

test_what_keeps_all_rules_is_left_alone = left_alone(KEPT)
test_the_value_that_breaks_a_rule_is_observed = observed(BROKEN)


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
def test_the_owners_tier_determines_how_long_audio_is_kept(
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
        (None, AS_OF - timedelta(hours=25), "no lease, sent at 2025-10-19T11:00:00Z"),
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


def test_a_message_said_at_the_end_of_time_is_no_error(engine, add_analysed, check):
    add_analysed()
    for end in ("infinity", "-infinity", "294276-12-31", "4713-01-01 BC"):
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE messages SET timestamp = :end"), {"end": end})
        check()


@pytest.mark.parametrize(
    "time",
    ["infinity", "-infinity", "10000-01-01 00:00:00", "294276-12-31 00:00:00", "0001-12-31 BC"],
)
@pytest.mark.parametrize(
    "column", ["timestamp", "audio_url_expires_at", "audio_retention_expires_at"]
)
def test_a_time_that_is_no_date_is_named(engine, add_analysed, check, column, time):
    add_analysed()
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE messages SET {column} = :time"), {"time": time})
    shown = time.replace("31 BC", "31 00:00:00 BC")
    assert check()["readable_times"] == f"{column} {shown}"


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31 23:59:59.999999"])
def test_the_first_and_the_last_date_are_dates(engine, add_analysed, check, time):
    add_analysed()
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE messages SET audio_url_expires_at = :time"), {"time": time}
        )
    assert "readable_times" not in check()
