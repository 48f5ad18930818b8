"""The views that the app reads: correct, complete, without erased learners, and by index."""

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import pytest
import sqlalchemy as sa

from migrations import run
from schema.facts.quality import BrokenRule
from stores.deletion import erasure
from stores.quality import quarantine
from stores.quality.rules.catalogue import DISTRUSTED

MONDAY = datetime(2025, 10, 13, tzinfo=UTC)
FACTS = {
    "overall_accuracy_score": 71,
    "overall_fluency_score": 64,
    "speech_rate_wpm": 96,
    "articulation_rate_wpm": 120,
    "pause_count": 1,
    "hesitation_count": 2,
    "total_speech_duration_ms": 24_000,
    "total_pause_duration_ms": 6_000,
}
TIMINGS = (
    {"word": "um", "startMs": 0, "endMs": 200, "charStart": 0, "charEnd": 2, "isHesitation": True},
    {"word": "", "startMs": 200, "endMs": 400, "charStart": 2, "charEnd": 2, "isHesitation": True},
    {"word": "think", "startMs": 1500, "endMs": 1800, "charStart": 3, "charEnd": 8},
    {"word": "", "startMs": 400, "endMs": 1500, "charStart": 2, "charEnd": 2, "isPause": True},
)
ISSUE = "The first sound /θ/, as in “three”, sounded like /s/, as in “sun”."
WEAK = {
    "word": "think",
    "issue": ISSUE,
    "severity": "high",
    "startMs": 1500,
    "endMs": 1800,
    "suggestion": "Say it slowly.",
}


def phoneme(phoneme, score, *issues):
    said = {"phoneme": phoneme, "word": "w", "accuracyScore": score, "startMs": 0, "endMs": 9}
    return said | ({"expectedPhoneme": phoneme, "issues": issues} if issues else {})


SOUNDS = (
    phoneme("θ", 20, "heard as /s/"),
    phoneme("θ", 41, "heard as /t/"),
    phoneme("θ", 30.5, "heard as /s/"),
    phoneme("k", 90),
)
DOCUMENTS = {
    "speech_timings": TIMINGS,
    "phoneme_analysis": SOUNDS,
    "problematic_words": (WEAK,),
    "recommendations": ("Practise /θ/.", "Link your words."),
    "practice_words": ("think", "three"),
}


@pytest.fixture
def say(add_analysed):
    """Add a learner's analysed message; return its id."""

    def _say(conversation_id, analysis=None, **message):
        facts = {**FACTS, **DOCUMENTS, **(analysis or {})}
        return add_analysed(facts, conversation_id=conversation_id, **message)

    return _say


@pytest.fixture
def rows(engine):
    """Read a view."""

    def _rows(view, where="true", **arguments):
        query = sa.text(f"SELECT * FROM audio_ops.{view} WHERE {where}")
        with engine.connect() as connection:
            return connection.execute(query, arguments).all()

    return _rows


@pytest.fixture
def erase(engine):
    """Set a learner's tombstone."""

    def _erase(user_id):
        with engine.begin() as connection:
            erasure.begin(connection, user_id, "request 7")

    return _erase


# Feedback


def test_feedback_has_the_shape_that_the_apps_page_takes(say, rows, add_user, add_conversation):
    user_id = add_user()
    conversation = add_conversation(user_id=user_id)
    message_id = say(conversation, timestamp=MONDAY)
    (row,) = rows("learner_feedback")
    assert (row.message_id, row.conversation_id, row.user_id) == (message_id, conversation, user_id)
    assert (row.language, row.said_at.replace(tzinfo=UTC)) == ("en", MONDAY)
    assert row.feedback == {
        "summary": {"overallScore": 71, "fluencyScore": 64, "speechRate": 96, "issueCount": 1},
        "timeline": [
            {
                "type": "word",
                "startMs": 0,
                "endMs": 200,
                "content": "um",
                "metadata": {"charStart": 0, "charEnd": 2, "isHesitation": True},
            },
            {
                "type": "pause",
                "startMs": 200,
                "endMs": 400,
                "content": "",
                "metadata": {"charStart": 2, "charEnd": 2, "isHesitation": True},
            },
            {
                "type": "pause",
                "startMs": 400,
                "endMs": 1500,
                "content": "",
                "metadata": {"charStart": 2, "charEnd": 2, "isPause": True},
            },
            {
                "type": "word",
                "startMs": 1500,
                "endMs": 1800,
                "content": "think",
                "metadata": {"charStart": 3, "charEnd": 8},
            },
            {
                "type": "issue",
                "startMs": 1500,
                "endMs": 1800,
                "content": ISSUE,
                "metadata": {"word": "think", "severity": "high", "suggestion": "Say it slowly."},
            },
        ],
        "recommendations": [
            {"message": "Practise /θ/.", "actionable": True},
            {"message": "Link your words.", "actionable": True},
        ],
        "practiceWords": [
            {"word": "think", "issueCount": 1, "primaryIssue": ISSUE},
            {"word": "three", "issueCount": 0, "primaryIssue": ""},
        ],
        "phonemeDetails": [
            {
                "phoneme": "θ",
                "occurrences": 3,
                "averageAccuracy": 30.5,
                "commonErrors": ["heard as /s/", "heard as /t/"],
            },
            {"phoneme": "k", "occurrences": 1, "averageAccuracy": 90, "commonErrors": []},
        ],
    }
    assert row.card == {
        "overallAccuracyScore": 71,
        "overallFluencyScore": 64,
        "pauseCount": 1,
        "hesitationCount": 2,
        "speechRateWpm": 96,
        "problematicWords": [WEAK],
        "recommendations": ["Practise /θ/.", "Link your words."],
    }


@pytest.mark.parametrize(
    "number",
    [
        "overall_accuracy_score",
        "overall_fluency_score",
        "speech_rate_wpm",
        "pause_count",
        "hesitation_count",
    ],
)
def test_an_analysis_without_a_number_that_the_page_prints_has_no_row(
    say, rows, add_conversation, number
):
    say(add_conversation(), {number: None})
    assert rows("learner_feedback") == []


def test_only_analyses_that_worked_of_what_learners_said_have_rows(say, rows, add_conversation):
    conversation = add_conversation()
    say(conversation, {"analysis_error": "No speech."})
    say(conversation, role="assistant")
    assert rows("learner_feedback") == []
    assert rows("learner_progress") == []


@pytest.mark.parametrize(
    "document",
    [None, {}, "text", 7, [], [1, None, "a", []], [{}], [{"word": None, "accuracyScore": "90"}]],
)
def test_documents_of_another_shape_leave_lists_empty_and_break_nothing(
    say, rows, add_conversation, engine, document
):
    conversation = add_conversation()
    for _ in range(2):
        say(conversation)
    lists = ("speech_timings", "phoneme_analysis", "problematic_words")
    changes = ", ".join(f"{name} = CAST(:document AS jsonb)" for name in lists)
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE message_audio_analysis SET {changes}"),
            {"document": json.dumps(document)},
        )
    for row in rows("learner_feedback"):
        assert row.feedback["timeline"] == row.feedback["phonemeDetails"] == []
    (row,) = rows("learner_progress")
    assert row.worst_phonemes == row.recurring_words == []


def test_lists_of_words_that_are_none_are_empty(say, rows, add_conversation):
    nothing = dict.fromkeys(DOCUMENTS)
    say(add_conversation(), {**nothing, "recommendations": [1, {}], "practice_words": "text"})
    (row,) = rows("learner_feedback")
    lists = ("timeline", "recommendations", "practiceWords", "phonemeDetails")
    assert [row.feedback[name] for name in lists] == [[], [], [], []]
    assert row.feedback["summary"]["issueCount"] == 0
    assert row.card["problematicWords"] == []


# Progress


def test_progress_is_counted_by_learner_language_and_week(say, rows, add_user, add_conversation):
    user_id = add_user()
    english = add_conversation(user_id=user_id)
    say(english, {"overall_accuracy_score": 60, "pause_count": 3}, timestamp=MONDAY)
    late = MONDAY + timedelta(days=7, microseconds=-1)
    say(english, {"overall_fluency_score": None}, timestamp=late)
    say(english, timestamp=MONDAY + timedelta(days=7))
    say(add_conversation("ja", user_id=user_id), timestamp=MONDAY)
    say(add_conversation(), timestamp=MONDAY)
    found = rows("learner_progress", "user_id = :user_id", user_id=user_id)
    assert {(row.language, row.week_start): row.recordings for row in found} == {
        ("en", date(2025, 10, 13)): 2,
        ("en", date(2025, 10, 20)): 1,
        ("ja", date(2025, 10, 13)): 1,
    }
    (week,) = (row for row in found if row.recordings == 2)
    assert (week.accuracy_recordings, week.mean_accuracy) == (2, 65.5)
    assert (week.fluency_recordings, week.mean_fluency) == (1, 64)
    assert (week.mean_speech_rate_wpm, week.mean_articulation_rate_wpm) == (96, 120)
    assert (week.pauses_per_minute, week.hesitations_per_minute) == (4, 4)  # in a minute
    assert week.engine_versions == ["echogarden 1.0"]


def test_rates_count_only_recordings_whose_time_is_known(say, rows, add_conversation):
    conversation = add_conversation()
    say(conversation, timestamp=MONDAY)
    say(conversation, {"total_pause_duration_ms": None, "pause_count": 50}, timestamp=MONDAY)
    say(conversation, {"pause_count": None}, timestamp=MONDAY)
    (week,) = rows("learner_progress")
    assert week.pauses_per_minute == 2
    assert week.hesitations_per_minute == 4
    unknown = add_conversation()
    nothing = {"total_speech_duration_ms": 0, "total_pause_duration_ms": 0}
    say(unknown, nothing, timestamp=MONDAY - timedelta(days=7))
    (week,) = rows("learner_progress", "week_start = '2025-10-06'")
    assert week.pauses_per_minute is None


def test_the_worst_sounds_are_five_with_at_least_three_occurrences(say, rows, add_conversation):
    conversation = add_conversation()
    sounds = [phoneme(name, 40 + place) for place, name in enumerate("abcdef")]
    for _ in range(3):
        say(conversation, {"phoneme_analysis": [*sounds, phoneme("k", 90)]}, timestamp=MONDAY)
    say(conversation, {"phoneme_analysis": [phoneme("z", 1)] * 2}, timestamp=MONDAY)
    (week,) = rows("learner_progress")
    assert week.worst_phonemes == [
        {"phoneme": name, "occurrences": 3, "averageAccuracy": 40 + place}
        for place, name in enumerate("abcde")
    ]


def test_recurring_words_were_problematic_in_two_recordings(say, rows, add_conversation):
    conversation = add_conversation()
    for words in (["Think", "once", "once"], ["think", "Kyoto"], ["think", "Kyoto"]):
        weak = [{**WEAK, "word": word} for word in words]
        say(conversation, {"problematic_words": weak}, timestamp=MONDAY)
    (week,) = rows("learner_progress")
    assert week.recurring_words == [
        {"word": "think", "recordings": 3},
        {"word": "Kyoto", "recordings": 2},
    ]
    weak = [{**WEAK, "word": f"word-{number}"} for number in range(12)]
    for _ in range(2):
        say(conversation, {"problematic_words": weak}, timestamp=MONDAY + timedelta(days=7))
    (week,) = rows("learner_progress", "week_start = '2025-10-20'")
    assert len(week.recurring_words) == 10


def test_guests_have_feedback_and_no_progress(say, rows, add_conversation):
    say(add_conversation(user_id=None, guest_id="browser"))
    (row,) = rows("learner_feedback")
    assert row.user_id is None
    assert rows("learner_progress") == []


def test_the_views_distrust_what_statistics_distrust():
    module = import_module("migrations.versions.0010_views")
    assert set(module.DISTRUSTED) == DISTRUSTED


@pytest.mark.parametrize("rule", sorted(DISTRUSTED)[:2])
def test_quarantined_analyses_are_left_out_of_progress_until_released(
    say, rows, add_conversation, engine, rule
):
    message_id = say(add_conversation())
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(message_id, "url_expiry", "seen")])
    assert len(rows("learner_progress")) == 1
    with engine.begin() as connection:
        quarantine.set_aside(connection, [BrokenRule(message_id, rule, "seen")])
    assert rows("learner_progress") == []
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audio_ops.quarantine SET released_at = now()")
    assert len(rows("learner_progress")) == 1


def test_an_erased_learner_has_no_row_from_the_tombstone_on(
    say, rows, add_user, add_conversation, erase
):
    erased, other = add_user(), add_user()
    for user_id in (erased, other):
        say(add_conversation(user_id=user_id))
    erase(erased)
    assert [row.user_id for row in rows("learner_feedback")] == [other]
    assert [row.user_id for row in rows("learner_progress")] == [other]


# Query plans

MANY = """
INSERT INTO users (id, email)
SELECT md5('u' || n)::uuid, 'u' || n FROM generate_series(1, 2000) AS n;
INSERT INTO conversations (id, user_id, target_language_id)
SELECT 'c' || n, md5('u' || mod(n, 2000) + 1)::uuid, 'en' FROM generate_series(1, 4000) AS n;
INSERT INTO messages (id, conversation_id, role, content, timestamp, audio_processing_state)
SELECT 'm' || n, 'c' || mod(n, 4000) + 1, 'user', 'a',
    timestamp '2025-10-13' + n * interval '1 min', 'analyzed'
FROM generate_series(1, 40000) AS n;
INSERT INTO message_audio_analysis (message_id, overall_accuracy_score, overall_fluency_score,
    speech_rate_wpm, pause_count, hesitation_count, phoneme_analysis, problematic_words)
SELECT 'm' || n, 70, 70, 100, 1, 1, '[{"phoneme": "k", "accuracyScore": 80}]', '[{"word": "a"}]'
FROM generate_series(1, 40000) AS n;
INSERT INTO audio_ops.quarantine (message_id, rule, observed)
SELECT 'm' || n * 10, 'quick_scores', 'seen' FROM generate_series(1, 4000) AS n;
INSERT INTO audio_ops.erased_learner (user_id, reason)
SELECT md5('u' || n)::uuid, 'request' FROM generate_series(1001, 2000) AS n;
ANALYZE;
"""


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.fixture
def plan(engine):
    """Run a query on 40,000 messages of 2,000 learners; return the nodes of its plan."""
    with engine.begin() as connection:
        connection.exec_driver_sql(MANY)

    def _plan(query):
        with engine.connect() as connection:
            explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
            return list(nodes(explained.scalar_one()[0]["Plan"]))

    return _plan


# Queries of a reader, and the number of messages they select.
ASKED = {
    "learner_progress WHERE user_id = md5('u7')::uuid": 20,
    "learner_progress WHERE user_id = md5('u7')::uuid AND language = 'en'": 20,
    "learner_feedback WHERE user_id = md5('u7')::uuid": 20,
    "learner_feedback WHERE conversation_id = 'c7'": 10,
    "learner_feedback WHERE message_id = 'm7'": 1,
}


def test_a_filter_reads_only_its_own_rows_and_by_index(plan):
    for query, theirs in ASKED.items():
        read = Counter()
        for node in plan(f"SELECT * FROM audio_ops.{query}"):
            if table := node.get("Relation Name"):
                assert re.search("Index|Bitmap", node["Node Type"]), (query, table)
                rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                read[table] = max(read[table], rows * node["Actual Loops"])
        assert read["messages"] == theirs, query
        assert read["message_audio_analysis"] <= theirs, query
        assert read["conversations"] <= theirs, query
        assert read["quarantine"] + read["erased_learner"] <= theirs, query


def test_documents_are_not_read_for_who_does_not_ask_for_them(plan):
    who = "WHERE user_id = md5('u7')::uuid"
    found = plan(f"SELECT week_start, mean_accuracy FROM audio_ops.learner_progress {who}")
    assert not any("Function Name" in node for node in found)


# Upgrade and downgrade


@pytest.mark.parametrize("revision", ["0009", "base"])
def test_the_views_go_and_come_with_their_migration(
    database_url, engine, say, rows, add_conversation, revision
):
    say(add_conversation())
    run.downgrade(database_url, revision)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_view_names(schema="audio_ops") == []
    run.upgrade(database_url)
    assert len(rows("learner_feedback")) == len(rows("learner_progress")) == 1
