"""The view `learner_progress` sums up a learner's weeks, without quarantined analyses."""

from datetime import date, timedelta
from importlib import import_module

import pytest

from schema.facts.quality import BrokenRule
from stores.quality import quarantine
from stores.quality.rules.catalogue import DISTRUSTED
from tests.migrations.versions.conftest import MONDAY, WEAK, phoneme


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


@pytest.mark.parametrize(
    ("time", "week"),
    [
        ("infinity", date.max),
        ("10000-01-05", date.max),
        ("-infinity", date.min),
        ("0044-03-15 BC", date.min),
    ],
)
def test_a_message_whose_time_is_no_date_leaves_the_other_weeks_readable(
    say, rows, engine, add_conversation, time, week
):
    conversation = add_conversation()
    say(conversation, timestamp=MONDAY)
    odd = say(conversation, timestamp=MONDAY)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE messages SET timestamp = '{time}' WHERE id = '{odd}'")
    assert {row.week_start for row in rows("learner_progress")} == {MONDAY.date(), week}


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
